"""Stream ids, reject codes and SRT addresses, as text; no sockets here. See `endpoint.py` for those.

A stream id is what a caller says it wants (draft-sharabayko-srt, appendix "SRT Access Control").
"""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from transport.errors import WireError
from transport.srt.options import KEY_LENGTHS, MAX_PAYLOAD_BYTES, SrtOptions

#: Limit of the handshake extension that carries it.
MAX_STREAM_ID_BYTES = 512


class Mode(enum.StrEnum):
    """What a caller wants with the resource; the draft's words."""

    REQUEST = "request"
    PUBLISH = "publish"
    BIDIRECTIONAL = "bidirectional"


class RejectReason(enum.IntEnum):
    """Why a listener refuses a caller; the caller reads the number (libsrt's SRT_REJX codes)."""

    BAD_REQUEST = 1400
    UNAUTHORIZED = 1401
    OVERLOADED = 1402
    FORBIDDEN = 1403
    NOT_FOUND = 1404
    BAD_MODE = 1405
    CONFLICT = 1409
    INTERNAL = 1500
    UNIMPLEMENTED = 1501


@dataclass(frozen=True, slots=True)
class StreamId:
    """What a caller asked for.

    Attributes:
        resource: name of the stream (`r`).
        mode: what to do with it (`m`).
        user: who asks (`u`), "" if not said.
        session_key: the secret that proves it (`s`), "" if not said; never shown in a repr.
        host: virtual host (`h`), "" if not said.
        type: of the transmission (`t`); "stream" for live media.
        extra: every other key, in order of appearance.
    """

    resource: str
    mode: Mode = Mode.REQUEST
    user: str = ""
    session_key: str = field(default="", repr=False)
    host: str = ""
    type: str = "stream"
    extra: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class SrtTarget:
    """Where and how to connect, from a URL.

    Attributes:
        mode: "caller", "listener" or "rendezvous".
        host: name or address; "" for a listener on every address.
        port: 1 to 65535.
        stream_id: sent as it stands, other servers have their own forms; "" for none.
        local_port: to send from, 0 for any; in rendezvous 0 means the same as `port`.
        options: everything else.
    """

    mode: str
    host: str
    port: int
    stream_id: str = field(default="", repr=False)
    local_port: int = 0
    options: SrtOptions = field(default_factory=SrtOptions)


_FIELDS = {"r": "resource", "u": "user", "s": "session_key", "h": "host", "t": "type"}
_SHORT_MODES = {"publish": Mode.PUBLISH, "read": Mode.REQUEST, "request": Mode.REQUEST}


_ESCAPED = "%23%21%3A%3A"  # #!::


def parse_stream_id(raw: bytes) -> StreamId:
    """Parse a stream id in any of its three forms.

    `#!::r=cam,m=publish,u=user,s=KEY` is the standard one; `publish:cam:KEY` and `read:cam:KEY` are short
    for people who type it into an encoder (the key may be missing, and may hold colons); anything else is
    the name of a stream to read.

    Raises:
        WireError: empty, too long, not UTF-8, unprintable, malformed, without a resource, or with an
            unknown mode. The message never repeats the text: it may hold a key.
    """
    if not raw:
        raise WireError("stream id: empty, expected #!::r=name,m=publish or publish:name:key")
    if len(raw) > MAX_STREAM_ID_BYTES:
        raise WireError(f"stream id: {len(raw)} bytes, the limit is {MAX_STREAM_ID_BYTES}")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise WireError(f"stream id: not UTF-8 at byte {error.start}") from None
    if text[:12].upper() == _ESCAPED:
        # Some encoders pass on percent signs that people write in an address, as its syntax asks for.
        text = unquote(text, errors="replace")
    if not text.isprintable():
        raise WireError("stream id: holds an unprintable character")
    if text.startswith("#!::"):
        return _parse_keys(text[4:])
    if text.startswith("#!{"):
        raise WireError("stream id: the nested form #!{...} is not supported, use #!::key=value,...")
    if text.startswith("#!"):
        raise WireError("stream id: unknown form after #!, expected #!::key=value,...")
    if ":" in text:
        return _parse_short(text)
    return StreamId(resource=text)


def serialize_stream_id(stream_id: StreamId) -> bytes:
    """Write the standard form; what `parse_stream_id` reads back as an equal value.

    Raises:
        WireError: a value with a comma, which the form cannot carry, or more than 512 bytes.
    """
    pairs = [("r", stream_id.resource), ("m", stream_id.mode.value), ("u", stream_id.user)]
    pairs += [("s", stream_id.session_key), ("h", stream_id.host)]
    pairs += [("t", stream_id.type if stream_id.type != "stream" else ""), *stream_id.extra]
    for key, value in pairs:
        if "," in value or "," in key or "=" in key:
            raise WireError(f"stream id: the value of {key!r} holds a comma, which the form cannot carry")
    raw = ("#!::" + ",".join(f"{key}={value}" for key, value in pairs if value)).encode()
    parse_stream_id(raw)
    return raw


def _parse_keys(text: str) -> StreamId:
    known: dict[str, str] = {}
    extra: list[tuple[str, str]] = []
    mode: Mode | None = None
    seen: set[str] = set()
    for number, pair in enumerate(text.split(","), 1):
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise WireError(f"stream id: item {number} is not key=value")
        if key in seen:
            raise WireError(f"stream id: item {number} repeats a key")
        seen.add(key)
        if key == "m":
            mode = _mode(value)
        elif key in _FIELDS:
            known[_FIELDS[key]] = value
        else:
            extra.append((key, value))
    if not known.get("resource"):
        raise WireError("stream id: no resource, expected r=name")
    if not known.get("type", "stream"):
        del known["type"]
    return StreamId(mode=mode or Mode.REQUEST, extra=tuple(extra), **known)


def _mode(value: str) -> Mode:
    try:
        return Mode(value)
    except ValueError:
        raise WireError("stream id: unknown mode, expected m=publish or m=request") from None


def _parse_short(text: str) -> StreamId:
    word, _, rest = text.partition(":")
    resource, _, key = rest.partition(":")
    if word not in _SHORT_MODES:
        raise WireError("stream id: unknown mode before the colon, expected publish:name or read:name")
    if not resource:
        raise WireError(f"stream id: no resource after {word}:")
    return StreamId(resource=resource, mode=_SHORT_MODES[word], session_key=key)


def parse_srt_url(url: str, defaults: SrtOptions | None = None) -> SrtTarget:
    """Parse `srt://host:port?mode=caller&latency=500&passphrase=…&pbkeylen=32&streamid=…`.

    `latency` is in milliseconds, as for srt-live-transmit; ffmpeg and OBS read microseconds there. `maxbw` is
    in bytes per second and the other times in milliseconds, as everywhere. Without a mode, an empty host
    means listener and any other caller. Percent signs are decoded; `+` and `#` stand for themselves, because
    stream ids begin with `#!` and people paste them as they are.

    Args:
        url: the address with its parameters.
        defaults: for what the address does not say.

    Raises:
        WireError: names the parameter and what was expected; never holds the passphrase or stream id.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() != "srt":
        raise WireError("srt url: expected srt://host:port")
    authority, _, query = rest.partition("?")
    host, port = _parse_authority(authority.rstrip("/"))
    parameters: dict[str, Any] = {}
    for pair in filter(None, query.split("&")):
        key, _, value = pair.partition("=")
        if key not in _PARAMETERS:
            raise WireError(f"srt url: unknown parameter {key[:40]!r}, expected {', '.join(_PARAMETERS)}")
        name, convert, expected = _PARAMETERS[key]
        if name in parameters:
            raise WireError(f"srt url: {key} is given twice")
        try:
            parameters[name] = convert(unquote(value, errors="strict"))
        except ValueError:
            raise WireError(f"srt url: {key}: expected {expected}") from None
    mode = parameters.pop("mode", "caller" if host else "listener")
    if not host and mode != "listener":
        raise WireError(f"srt url: mode {mode} needs a host")
    parameters.pop("transtype", None)
    stream_id, local_port = parameters.pop("stream_id", ""), parameters.pop("local_port", 0)
    try:
        options = dataclasses.replace(defaults or SrtOptions(), **parameters)
    except ValueError as error:
        raise WireError(f"srt url: {error}") from None
    return SrtTarget(mode, host, port, stream_id, local_port, options)


_AUTHORITY = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.%\w]+)\]|(?P<name>[^\[\]:@/\s]*)):(?P<port>[0-9]{1,5})")


def _parse_authority(authority: str) -> tuple[str, int]:
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise WireError("srt url: expected host:port, an IPv6 address in [brackets]")
    if not 1 <= (port := int(match["port"])) <= 65535:
        raise WireError(f"srt url: port {port}, expected 1 to 65535")
    return match["v6"] or match["name"] or "", port


def _number(low: int, high: int) -> Callable[[str], int]:
    def convert(value: str) -> int:
        if not value.isdecimal() or len(value) > 15 or not low <= int(value) <= high:
            raise ValueError
        return int(value)

    return convert


def _choice(**words: Any) -> Callable[[str], Any]:
    def convert(value: str) -> Any:
        if value.lower() not in words:
            raise ValueError
        return words[value.lower()]

    return convert


def _stream_id(value: str) -> str:
    if len(value.encode()) > MAX_STREAM_ID_BYTES or not value.isprintable():
        raise ValueError
    return value


def _pbkeylen(value: str) -> int:
    length = _number(0, 32)(value)
    if length not in (0, *KEY_LENGTHS):
        raise ValueError
    # 0 is libsrt's "the default", which we make the strongest.
    return length or 32


def _bytes_per_second(value: str) -> int | None:
    return None if value in ("-1", "0") else _number(1, 1 << 37)(value) * 8


_BOOLEAN = _choice(**{"1": True, "0": False, "true": True, "false": False, "yes": True, "no": False})
_TIME = (_number(1, 3_600_000), "1 to 3600000 milliseconds")
_MODES = ("caller", "listener", "rendezvous")
_PAYLOAD = (_number(1, MAX_PAYLOAD_BYTES), f"1 to {MAX_PAYLOAD_BYTES} bytes")

#: URL parameter: attribute, conversion (ValueError if bad), what is expected.
_PARAMETERS: dict[str, tuple[str, Callable[[str], Any], str]] = {
    "mode": ("mode", _choice(**{mode: mode for mode in _MODES}), "caller, listener or rendezvous"),
    "streamid": ("stream_id", _stream_id, f"at most {MAX_STREAM_ID_BYTES} printable bytes"),
    "passphrase": ("passphrase", lambda value: value or None, "10 to 79 bytes"),
    "pbkeylen": ("pbkeylen", _pbkeylen, "16, 24 or 32 (bytes)"),
    "latency": ("latency_ms", _number(0, 60_000), "0 to 60000 milliseconds"),
    "tlpktdrop": ("tlpktdrop", _BOOLEAN, "1 or 0"),
    "connect_timeout": ("connect_timeout_ms", *_TIME),
    "conntimeo": ("connect_timeout_ms", *_TIME),
    "peeridletimeo": ("peer_idle_timeout_ms", *_TIME),
    "payload_size": ("payload_bytes", *_PAYLOAD),
    "pkt_size": ("payload_bytes", *_PAYLOAD),
    "maxbw": ("max_bandwidth_bps", _bytes_per_second, "bytes per second, or -1 for no limit"),
    "localport": ("local_port", _number(1, 65535), "1 to 65535"),
    "transtype": ("transtype", _choice(live="live"), "live"),
}
