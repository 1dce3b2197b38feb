"""`[[streams.NAME.relays]]`: where a stream is pushed to, as far as the configuration says it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from streamer.encryption import Floor, check_relay
from streamer.sections.base import Section
from transport.errors import WireError
from transport.rtmp.address import parse_rtmp_url
from transport.srt.options import PASSPHRASE_BYTES
from transport.srt.wire import parse_srt_url

RELAY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_EXPECTED = 'expected "rtmp://host/app", "rtmps://host/app" or "srt://host:port"'
_MAX_URL_CHARACTERS = 1024


def check_url(url: str) -> str:
    """Check the address of a destination; returned with its scheme in lower case.

    Raises:
        ValueError: it cannot be pushed to; the text says what was expected and quotes nothing of it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(_EXPECTED) from None
    if parts.scheme not in ("rtmp", "rtmps", "srt") or not parts.hostname or len(url) > _MAX_URL_CHARACTERS:
        raise ValueError(_EXPECTED)
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError(f"{_EXPECTED}, without spaces")
    if parts.scheme == "srt":
        if port is None:
            raise ValueError("expected a port, as in srt://host:port")
        try:
            target = parse_srt_url(url)
        except WireError as error:
            raise ValueError(str(error)) from None
        if target.mode != "caller":
            raise ValueError("expected mode=caller: relays call, they are not called")
    elif not parts.path.strip("/"):
        raise ValueError("expected an application after the host, as in rtmp://host/app")
    return parts.scheme + url[len(parts.scheme) :]


def check_key(url: str, key: str) -> None:
    """Check that an address and a stream key belong together.

    Args:
        url: passed `check_url`.
        key: "" where the address ends with it.

    Raises:
        ValueError: says what was expected, never the key.
    """
    try:
        if not url.startswith("srt:"):
            parse_rtmp_url(url, key)
        elif key and parse_srt_url(url).stream_id:
            raise ValueError("the address has a streamid already; expected it there or as key")
    except WireError as error:
        raise ValueError(f"{error}; expected key, or rtmp://host/app/KEY") from None


def check_passphrase(url: str, passphrase: SecretStr | None) -> None:
    """Check that an address can have a passphrase, and this one.

    Raises:
        ValueError: says what was expected, never the passphrase.
    """
    if passphrase is None:
        return
    if not url.startswith("srt:"):
        raise ValueError("passphrase is for srt:// only; expected rtmps:// for encryption over RTMP")
    size = len(passphrase.get_secret_value().encode())
    if size not in PASSPHRASE_BYTES:
        shortest, longest = PASSPHRASE_BYTES[0], PASSPHRASE_BYTES[-1]
        raise ValueError(f"passphrase: expected {shortest}-{longest} bytes, these are {size}")


def secrets_of(url: str, key: str) -> list[str]:
    """What of an address and a key must not be shown: the key, wherever it stands, and a passphrase."""
    found = [key]
    try:
        if url.startswith("srt:"):
            target = parse_srt_url(url)
            found += [target.stream_id, target.options.passphrase or ""]
        else:
            found.append(parse_rtmp_url(url, key).key)
    except WireError:  # nothing that could be used either
        pass
    return [secret for secret in found if secret]


def shown_url(url: str, *, has_key: bool = True) -> str:
    """An address for people: without credentials, parameters and what may be a stream key.

    Args:
        url: well-formed or not.
        has_key: the key is kept apart from the address, so the last part of the path is none.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return "***"
    if not host:
        return "***"
    path = parts.path
    if not has_key and path.strip("/").count("/"):
        path = path.rstrip("/").rpartition("/")[0] + "/***"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{path}"


class RelayConfig(Section):
    """One fixed relay of a stream.

    Attributes:
        url: `rtmp://`, `rtmps://` or `srt://`.
        key: stream key; of an SRT destination its stream id.
        when: `publishing` follows the publisher; `manual` waits for somebody to start it.
        name: tells it from the stream's other relays; by default the host.
        tls_ca_file: certificates to check an `rtmps://` server with, instead of the system's.
        passphrase: of an SRT destination.
        pbkeylen: length of the key made from it.
        latency_ms: of SRT.
        h265: the destination takes H.265; otherwise it gets H.264.
        silence: send silence where there is no sound.
        slate_s: how long a still picture keeps the broadcast alive while the publisher is away.
        slate_image: that picture; by default a plain one.
        rotate_s: begin a new broadcast so often, 0 for never.
    """

    url: str
    key: SecretStr = SecretStr("")
    when: Literal["publishing", "manual"] = "publishing"
    name: str = ""
    tls_ca_file: Path | None = None
    passphrase: SecretStr | None = None
    pbkeylen: Literal[16, 24, 32] = 32
    latency_ms: int = Field(250, ge=20, le=8000)
    h265: bool = False
    silence: bool = True
    slate_s: float = Field(300.0, ge=0, le=86_400)
    slate_image: Path | None = None
    rotate_s: float = Field(0.0, ge=0, le=7 * 86_400)

    @field_validator("url")
    @classmethod
    def _pushable(cls, url: str) -> str:
        return check_url(url)

    @field_validator("name")
    @classmethod
    def _named(cls, name: str) -> str:
        if name and not RELAY_NAME.fullmatch(name):
            raise ValueError("expected a name of letters, digits, '.', '_' and '-', at most 64")
        return name

    @model_validator(mode="after")
    def _consistent(self) -> RelayConfig:
        check_key(self.url, self.key.get_secret_value())
        check_passphrase(self.url, self.passphrase)
        if self.tls_ca_file is not None and not self.url.startswith("rtmps:"):
            raise ValueError("tls_ca_file is for rtmps:// only")
        return self

    @property
    def label(self) -> str:
        """Its name, given or made from the host."""
        return self.name or (urlsplit(self.url).hostname or "").replace(":", "-")

    def check_floor(self, floor: Floor) -> None:
        """Hold it to its stream's `encryption`.

        Raises:
            ValueError: it is less.
        """
        check_relay(floor, self.url, has_passphrase=self.passphrase is not None, pbkeylen=self.pbkeylen)
