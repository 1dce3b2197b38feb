"""What an RTSP client does, as `server.py` tells its owner."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from transport.rtsp import sdp
from transport.rtsp.naming import Login, Named


class State(enum.Enum):
    """What the client does."""

    INIT = enum.auto()
    READY = enum.auto()
    PLAYING = enum.auto()
    RECORDING = enum.auto()
    ENDED = enum.auto()


@dataclass(frozen=True, slots=True)
class Asking:
    """The client asks for a stream: wants `describe`, or `take_announcement` where it publishes; or `reject`.

    Attributes:
        named: which, and with which secret.
        login: what stands in its Authorization header.
        agent: its software, as it calls itself.
        announced: what it wants to publish; None where it wants to read.
    """

    named: Named
    login: Login | None
    agent: str
    announced: tuple[sdp.Announced, ...] | None


@dataclass(frozen=True, slots=True)
class Starting:
    """It wants packets from now on, or to send them; wants `start` or `reject`."""


@dataclass(frozen=True, slots=True)
class Pausing:
    """It wants no packets until `Starting` comes again."""


@dataclass(frozen=True, slots=True)
class Packet:
    """What came between requests.

    Attributes:
        track: its number.
        is_rtcp: it came on the second of the track's channels.
    """

    track: int
    is_rtcp: bool
    data: bytes = field(repr=False)


Event = Asking | Starting | Pausing | Packet


@dataclass(frozen=True, slots=True)
class Way:
    """How packets of one track travel.

    Attributes:
        is_tcp: between the requests; otherwise over UDP.
        pair: of channels, or of the client's ports: RTP, RTCP.
    """

    is_tcp: bool
    pair: tuple[int, int]
