"""SDP offers, trickle fragments and ICE candidates: text to frozen values and back.

aiortc reads the SDP; what it drops (bundle-only, rtcp-xr, raw fmtp) is read here, and whatever it may raise
becomes a `WireError`. What is done with an offer is in `negotiate.py`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aiortc.rtcdtlstransport import X509_DIGEST_ALGORITHMS
from aiortc.sdp import MediaDescription, SessionDescription, grouplines

from transport.errors import WireError
from transport.webrtc.simulcast import offered_layers

#: Chromium with every codec and a data channel offers 7 KiB; Firefox with simulcast stays under 16 KiB.
MAX_SDP_BYTES = 64 * 1024

#: What `a=` lines must look like for aiortc not to trip over them.
_SHAPES = {
    "extmap": re.compile(r"[0-9]{1,5}(/\w+)? \S+( .*)?"),
    "fingerprint": re.compile(r"[\w-]+ [0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2})+"),
    "fmtp": re.compile(r"[0-9]{1,3} .+"),
    "group": re.compile(r"\S+( \S+)*"),
    "ice-pwd": re.compile(r"[!-~]{1,256}"),
    "ice-ufrag": re.compile(r"[!-9;-~]{1,256}"),
    "mid": re.compile(r"[!-~]{1,64}"),
    "rtcp-fb": re.compile(r"(\*|[0-9]{1,3}) \S.*"),
    "rtpmap": re.compile(r"[0-9]{1,3} [^\s/]+/[0-9]{1,9}(/[0-9]{1,3})?"),
    "setup": re.compile(r"actpass|active|passive"),
}
_MEDIA = re.compile(r"m=[a-z]+ [0-9]{1,5} [A-Z/]+( \S+)+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_PAYLOAD_TYPE = re.compile(r"[0-9]{1,3}")
_TRANSPORT = frozenset({"UDP/TLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF", "RTP/SAVPF"})
_DIRECTIONS = frozenset({"sendrecv", "sendonly", "recvonly", "inactive"})
#: Nobody here has a use for these, and their many dialects are a needless reason to fail.
_UNREAD = ("a=candidate:", "a=ssrc:", "a=ssrc-group:", "a=msid:", "a=msid-semantic:", "a=rtcp:", "c=")
_SAYS_NOTHING = re.compile(r"a=fmtp:[0-9]{1,3} *")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Hash of a certificate (RFC 8122): `algorithm` in lower case, `value` in upper case with colons."""

    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class Format:
    """One payload type of an m-line.

    Attributes:
        name: the encoding as offered ("H264", "opus", "rtx").
        channels: of sound, 0 for pictures.
        fmtp: the format parameters exactly as offered, "" without.
        feedback: `rtcp-fb` values: "nack", "nack pli", "goog-remb".
    """

    payload_type: int
    name: str
    clock_rate: int
    channels: int
    fmtp: str
    feedback: tuple[str, ...]

    @property
    def parameters(self) -> dict[str, str]:
        """`fmtp` taken apart; names in lower case."""
        return parse_fmtp(self.fmtp)


@dataclass(frozen=True, slots=True)
class OfferedMedia:
    """One m-line of an offer.

    Attributes:
        kind: "video", "audio", "application".
        port: 0 means rejected by the offerer, unless `bundle_only`.
        protocol: the m-line's third word.
        tokens: the m-line's formats, as text.
        mid: "" if it has none.
        direction: as seen by the offerer.
        extensions: (uri, id) of the header extensions, in the order offered.
        rtcp_xr: value of `a=rtcp-xr`, "" without.
        bundled: belongs to the transport that the answer will use.
        layers: rids of the layers that are sent at once, in the order offered; none for one picture.
    """

    kind: str
    port: int
    protocol: str
    tokens: tuple[str, ...]
    mid: str
    direction: str
    formats: tuple[Format, ...]
    extensions: tuple[tuple[str, int], ...]
    rtcp_mux: bool
    rtcp_rsize: bool
    rtcp_xr: str
    bundle_only: bool
    bundled: bool
    layers: tuple[str, ...] = ()

    @property
    def is_receivable(self) -> bool:
        """The offerer wants to be sent this kind of media over the bundled transport."""
        return self.direction in ("recvonly", "sendrecv") and self._is_transported

    @property
    def is_sendable(self) -> bool:
        """The offerer wants to send this kind of media over the bundled transport."""
        return self.direction in ("sendonly", "sendrecv") and self._is_transported

    @property
    def _is_transported(self) -> bool:
        return (
            self.kind in ("audio", "video")
            and (self.port != 0 or self.bundle_only)
            and self.protocol in _TRANSPORT
            and self.rtcp_mux
            and self.bundled
        )

    def rtx_of(self, chosen: Format) -> Format | None:
        """The format in which packets of another are sent again (RFC 4588 section 8.6), None without."""
        apt = str(chosen.payload_type)
        return next(
            (
                each
                for each in self.formats
                if each.name.lower() == "rtx" and each.parameters.get("apt") == apt
            ),
            None,
        )

    def extension(self, uri: str) -> int:
        """Id offered for a header extension, 0 if it was not offered or needs two-byte headers (RFC 8285)."""
        return next((number for name, number in self.extensions if name == uri and 1 <= number <= 14), 0)


@dataclass(frozen=True, slots=True)
class Offer:
    """A viewer's or publisher's offer.

    Attributes:
        has_bundle: it has a BUNDLE group (a single m-line needs none).
        ufrag: the offerer's ICE user name fragment.
        pwd: the offerer's ICE password.
        fingerprints: of the offerer's certificate, supported algorithms only, at least one.
        setup: "actpass", "active" or "passive" (RFC 4145).
    """

    media: tuple[OfferedMedia, ...]
    has_bundle: bool
    ufrag: str
    pwd: str
    fingerprints: tuple[Fingerprint, ...]
    setup: str


@dataclass(frozen=True, slots=True)
class Fragment:
    """An `application/trickle-ice-sdpfrag` body (RFC 8840 section 9).

    Attributes:
        candidates: how many it carried; a lite agent learns the address from the check itself.
        ended: says that no more candidates follow.
    """

    ufrag: str
    pwd: str
    candidates: int
    ended: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A host candidate of this server (RFC 8839; TCP: RFC 6544, always passive)."""

    ip: str
    port: int
    protocol: str = "udp"

    def serialize(self, index: int) -> str:
        """The `a=candidate` value.

        Args:
            index: position in the list; the first of a protocol gets the highest priority (RFC 8445 5.1.2).
        """
        local = max(0, 65535 - index)
        if self.protocol == "tcp":
            # RFC 6544 4.2: direction preference 4 (passive) above the 13 bits of the other preference.
            local = (4 << 13) | max(0, 8191 - index)
        preference = 126 if self.protocol == "udp" else 90
        priority = (preference << 24) | (local << 8) | 255
        ending = " tcptype passive" if self.protocol == "tcp" else ""
        return f"{index + 1} 1 {self.protocol} {priority} {self.ip} {self.port} typ host{ending}"

    def __post_init__(self) -> None:
        ipaddress.ip_address(self.ip)


def parse_offer(text: str | bytes) -> Offer:
    """Read an offer (RFC 8866, RFC 8829).

    Raises:
        WireError: not SDP, or an offer that cannot become a session: no sound or picture, no BUNDLE, no
            rtcp-mux, no ICE credentials, no usable fingerprint, no `a=setup`.
    """
    text = _decoded(text)
    lines = [
        line
        for line in text.splitlines()
        if not line.startswith(_UNREAD) and not _SAYS_NOTHING.fullmatch(line)
    ]
    for number, line in enumerate(lines, 1):
        _check_line(number, line)
    try:
        # Without fmtp: aiortc wants an rtpmap for each, which static payload types need not have.
        parsed = SessionDescription.parse("\r\n".join(x for x in lines if not x.startswith("a=fmtp:")))
    except Exception as error:
        # aiortc's parser raises whatever its first stumble raises: AssertionError, KeyError, StopIteration…
        raise WireError(f"sdp: unreadable ({type(error).__name__}: {str(error)[:100]})") from error
    session, groups = grouplines("\r\n".join(lines))
    return _offer(parsed, session, groups)


def parse_trickle_fragment(text: str | bytes) -> Fragment:
    """Read the body of a WHEP PATCH (RFC 8840 section 9; RFC 9725 section 4.3).

    Raises:
        WireError: too long, not lines of SDP, or without ICE credentials.
    """
    ufrags: list[str] = []
    pwds: list[str] = []
    candidates = 0
    ended = False
    for number, line in enumerate(_decoded(text).splitlines(), 1):
        _check_line(number, line)
        name, value = _attribute(line)
        if name == "ice-ufrag":
            ufrags.append(value)
        elif name == "ice-pwd":
            pwds.append(value)
        elif name == "candidate":
            if len(value.split()) < 8:
                raise WireError(f"sdp fragment: line {number}: a candidate has at least 8 words")
            candidates += 1
        elif name == "end-of-candidates":
            ended = True
    if not ufrags or not pwds:
        raise WireError("sdp fragment: no ice-ufrag and ice-pwd")
    return Fragment(ufrags[0], pwds[0], candidates, ended)


def parse_fmtp(fmtp: str) -> dict[str, str]:
    """Take format parameters apart; tolerant of blanks around `;` and `=`, names in lower case."""
    pairs = (part.partition("=") for part in fmtp.split(";") if part.strip())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _decoded(text: str | bytes) -> str:
    if len(text) > MAX_SDP_BYTES:
        raise WireError(f"sdp: {len(text)} bytes, at most {MAX_SDP_BYTES} are read")
    if isinstance(text, str):
        return text
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise WireError(f"sdp: not UTF-8 at byte {error.start}") from error


def _attribute(line: str) -> tuple[str, str]:
    """Name and value of an `a=` line, ("", "") for another."""
    if not line.startswith("a="):
        return "", ""
    name, _, value = line[2:].partition(":")
    return name, value


def _check_line(number: int, line: str) -> None:
    if line and (not re.match(r"[a-z]=", line) or _CONTROL.search(line)):
        raise WireError(f"sdp: line {number} is not SDP: {line[:60]!r}")
    if line.startswith("m="):
        _check_media_line(number, line.rstrip())
    name, value = _attribute(line)
    shape = _SHAPES.get(name)
    if shape is not None and not shape.fullmatch(value.rstrip()):
        raise WireError(f"sdp: line {number}: malformed {line[:100]!r}")


def _check_media_line(number: int, line: str) -> None:
    if not _MEDIA.fullmatch(line):
        raise WireError(f"sdp: line {number}: malformed {line[:100]!r}")
    if line.startswith(("m=audio ", "m=video ")):
        for token in line.split(" ")[3:]:
            # 64-95 with the marker bit look like RTCP (RFC 5761 section 4).
            if not _PAYLOAD_TYPE.fullmatch(token) or int(token) > 127 or 64 <= int(token) <= 95:
                raise WireError(f"sdp: line {number}: {token[:20]!r} is no payload type of RTP with RTCP")


def _offer(parsed: SessionDescription, session: Sequence[str], groups: Sequence[Sequence[str]]) -> Offer:
    bundle = next((group.items for group in parsed.group if group.semantic == "BUNDLE"), None)
    media = tuple(
        _media(description, session, lines, bundle)
        for description, lines in zip(parsed.media, groups, strict=True)
    )
    audible = [item for item in media if item.kind in ("audio", "video")]
    if not audible:
        raise WireError("sdp: neither audio nor video is offered")
    if bundle is None and len(media) > 1:
        raise WireError("sdp: no BUNDLE group, and one port serves every m-line")
    if not any(item.rtcp_mux for item in audible):
        raise WireError("sdp: no rtcp-mux, and one port serves RTP and RTCP")
    mids = [item.mid for item in media if item.mid]
    if len(set(mids)) != len(mids):
        raise WireError("sdp: two m-lines have the same mid")

    transport = next((d for d, item in zip(parsed.media, media, strict=True) if _has_ice(d, item)), None)
    if transport is None or transport.ice is None:
        raise WireError("sdp: no ice-ufrag and ice-pwd in the bundled m-lines")
    if transport.ice.iceLite:
        raise WireError("sdp: the offerer is ice-lite too, nobody would send connectivity checks")
    if transport.dtls is None:
        raise WireError("sdp: no a=setup")
    fingerprints = tuple(
        Fingerprint(found.algorithm.lower(), found.value.upper())
        for found in transport.dtls.fingerprints
        if found.algorithm.lower() in X509_DIGEST_ALGORITHMS
    )
    if not fingerprints:
        raise WireError("sdp: no fingerprint of sha-256, sha-384 or sha-512")
    return Offer(
        media,
        bundle is not None,
        str(transport.ice.usernameFragment).rstrip(),
        str(transport.ice.password).rstrip(),
        fingerprints,
        {"auto": "actpass", "client": "active", "server": "passive"}[transport.dtls.role],
    )


def _has_ice(description: MediaDescription, item: OfferedMedia) -> bool:
    ice = description.ice
    return item.bundled and ice is not None and bool(ice.usernameFragment and ice.password)


def _media(
    description: MediaDescription,
    session: Sequence[str],
    lines: Sequence[str],
    bundle: Sequence[int | str] | None,
) -> OfferedMedia:
    attributes = [_attribute(line) for line in lines[1:]]
    flags = {name: value for name, value in attributes if name}
    directions = [name for name, _ in (*map(_attribute, session), *attributes) if name in _DIRECTIONS]
    mid = description.rtp.muxId.rstrip()
    return OfferedMedia(
        kind=description.kind,
        port=description.port,
        protocol=description.profile,
        tokens=tuple(map(str, description.fmt)),
        mid=mid,
        direction=directions[-1] if directions else "sendrecv",
        formats=tuple(_formats(description, attributes)),
        extensions=tuple((extension.uri, extension.id) for extension in description.rtp.headerExtensions),
        rtcp_mux=description.rtcp_mux,
        rtcp_rsize="rtcp-rsize" in flags,
        rtcp_xr=flags.get("rtcp-xr", "").strip(),
        bundle_only="bundle-only" in flags,
        bundled=bundle is None or mid in bundle,
        layers=offered_layers(attributes),
    )


def _formats(description: MediaDescription, attributes: Sequence[tuple[str, str]]) -> Iterator[Format]:
    """The payload types that the m-line lists and an rtpmap explains, in the m-line's order of preference."""
    fmtp: dict[str, str] = {}
    for name, value in attributes:
        if name == "fmtp":
            payload_type, _, parameters = value.partition(" ")
            fmtp.setdefault(payload_type, parameters.strip())
    codecs = {codec.payloadType: codec for codec in description.rtp.codecs}
    for token in description.fmt:
        codec = codecs.get(token)
        if codec is not None:
            yield Format(
                payload_type=token,
                name=codec.name,
                clock_rate=codec.clockRate,
                channels=codec.channels or 0,
                fmtp=fmtp.get(str(token), ""),
                feedback=tuple(
                    f"{item.type} {item.parameter}".rstrip() if item.parameter else item.type
                    for item in codec.rtcpFeedback
                ),
            )
