"""Descriptions (SDP, RFC 8866): of what a stream offers, and of what a publisher announces.

As RTSP uses them (RFC 2326 appendix C); those of WebRTC are in `transport/webrtc/wire.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from transport.errors import WireError
from transport.rtsp.formats import Format

#: Of a publisher's tracks, more are not read.
_MAX_MEDIA = 16
_MAX_LINES = 500


@dataclass(frozen=True, slots=True)
class Announced:
    """One track of a publisher.

    Attributes:
        kind: "video", "audio", or what else there is.
        control: what a SETUP calls it; "" where it is not said.
        payload_type: of the first format; the others are not taken.
        name: of that format in lower case; "" where only the number says it.
        clock_rate: 0 where it is not said.
        channels: 0 where they are not said.
        parameters: of `a=fmtp`, names in lower case.
        is_secured: its packets are SRTP.
        key_management: of `a=key-mgmt`, whose key these have; "" where none is said.
    """

    kind: str
    control: str
    payload_type: int
    name: str
    clock_rate: int
    channels: int
    parameters: dict[str, str]
    is_secured: bool = False
    key_management: str = field(default="", repr=False)


def serialize(name: str, formats: Sequence[tuple[str, Format]], *, session_id: int) -> bytes:
    """Describe a stream.

    Args:
        name: of the stream.
        formats: "video" or "audio", and the format; track n is called `trackID=n`.
        session_id: a number that is another one for another description.
    """
    lines = [
        "v=0",
        f"o=- {session_id} 1 IN IP4 0.0.0.0",
        f"s={name}",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
    ]
    for number, (kind, described) in enumerate(formats):
        channels = f"/{described.channels}" if described.channels else ""
        lines += [
            f"m={kind} 0 RTP/AVP {described.payload_type}",
            f"a=rtpmap:{described.payload_type} {described.name}/{described.clock_rate}{channels}",
        ]
        if described.parameters:
            lines.append(f"a=fmtp:{described.payload_type} {described.parameters}")
        lines.append(f"a=control:{control_of(number)}")
    return "\r\n".join([*lines, ""]).encode()


def control_of(number: int) -> str:
    """What our descriptions call a track."""
    return f"trackID={number}"


def parse(body: bytes) -> list[Announced]:
    """Read what a publisher announces.

    Raises:
        WireError: no description, or more than the limits allow.
    """
    try:
        lines = body.decode().splitlines()
    except UnicodeDecodeError as error:
        raise WireError(f"sdp: not UTF-8 at byte {error.start}") from None
    if len(lines) > _MAX_LINES or not lines or lines[0].strip() != "v=0":
        raise WireError("sdp: a description begins with v=0, and has at most 500 lines")
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line.strip())
    if len(sections) > _MAX_MEDIA + 1:
        raise WireError(f"sdp: {len(sections) - 1} tracks, at most {_MAX_MEDIA} are read")
    return [_media(section, _attributes(sections[0])) for section in sections[1:]]


def _attributes(lines: Sequence[str]) -> list[tuple[str, str, str]]:
    return [line[2:].partition(":") for line in lines if line.startswith("a=")]


def _media(lines: Sequence[str], of_all: Sequence[tuple[str, str, str]]) -> Announced:
    words = lines[0][2:].split()
    if len(words) < 4 or not words[3].isascii() or not words[3].isdigit() or int(words[3]) > 127:
        raise WireError("sdp: an m-line without a payload type")
    payload_type = int(words[3])
    attributes = _attributes(lines)
    name, clock_rate, channels = _mapped(_of_type(attributes, "rtpmap", payload_type))
    return Announced(
        kind=words[0].lower(),
        control=next((value.strip() for key, _, value in attributes if key == "control"), ""),
        payload_type=payload_type,
        name=name,
        clock_rate=clock_rate,
        channels=channels,
        parameters=_parameters(_of_type(attributes, "fmtp", payload_type)),
        is_secured=words[2].upper().startswith("RTP/SAVP"),
        key_management=next((value for key, _, value in (*attributes, *of_all) if key == "key-mgmt"), ""),
    )


def _of_type(attributes: Sequence[tuple[str, str, str]], key: str, payload_type: int) -> str:
    """The value of an attribute that names this payload type first; "" without one."""
    for found, _, value in attributes:
        number, _, rest = value.strip().partition(" ")
        if found == key and number == str(payload_type):
            return rest.strip()
    return ""


def _mapped(text: str) -> tuple[str, int, int]:
    name, *numbers = text.split("/")
    if not all(each.isascii() and each.isdigit() and len(each) < 8 for each in numbers):
        raise WireError("sdp: an rtpmap whose rate is no number")
    rate, channels = ([int(each) for each in numbers] + [0, 0])[:2]
    return name.lower(), rate, channels


def _parameters(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
