"""Packets that go out together, made once for all who get them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transport.rtsp.wire import frame_header

#: Of the tracks that one client takes, each with its channels, or its ports: RTP, RTCP.
Pairs = tuple[tuple[int, tuple[int, int]], ...]
_RTP_HEADER_BYTES = 12


@dataclass(frozen=True, slots=True)
class Portion:
    """The packets of one unit, or reports about one track.

    Attributes:
        track: its number.
        at_s: when it is to be decoded, of the stream's time.
        packets: in order, without header extensions.
        is_rtcp: they are reports.
    """

    track: int
    at_s: float
    packets: Sequence[bytes]
    is_rtcp: bool = False

    @property
    def payload_bytes(self) -> int:
        """Without headers; reports have none."""
        return 0 if self.is_rtcp else sum(map(len, self.packets)) - _RTP_HEADER_BYTES * len(self.packets)


@dataclass(frozen=True, slots=True)
class Framed:
    """A batch as it travels between the requests (RFC 2326 section 10.12), of the tracks that a client takes.

    Attributes:
        number: of the batch.
        data: all of it.
        units: pictures and sounds in it.
        packets: of them.
        payload_bytes: of these.
    """

    number: int
    data: bytes
    units: int
    packets: int
    payload_bytes: int


class Batch:
    """Complete once it was given to somebody. One thread at a time.

    Args:
        number: one more than that of the batch before.
        starts_over: a decoder can begin here.

    Attributes:
        number: as given.
        starts_over: as given.
        portions: in the order in which they go out.
    """

    def __init__(self, number: int = 0, *portions: Portion, starts_over: bool = False) -> None:
        self.number = number
        self.starts_over = starts_over
        self.portions = list(portions)
        self._framed: dict[Pairs, Framed] = {}

    @property
    def size_bytes(self) -> int:
        """Of all packets."""
        return sum(len(packet) for portion in self.portions for packet in portion.packets)

    def framed(self, channels: Pairs) -> Framed:
        """What those get that take the same tracks over the same channels; made for the first of them."""
        found = self._framed.get(channels)
        if found is None:
            found = self._framed[channels] = self._frame(dict(channels))
        return found

    def _frame(self, channels: dict[int, tuple[int, int]]) -> Framed:
        taken = [portion for portion in self.portions if portion.track in channels]
        media = [portion for portion in taken if not portion.is_rtcp]
        parts: list[bytes] = []
        for portion in taken:
            channel = channels[portion.track][portion.is_rtcp]
            for packet in portion.packets:
                parts += (frame_header(channel, len(packet)), packet)
        return Framed(
            self.number,
            b"".join(parts),
            units=len(media),
            packets=sum(len(portion.packets) for portion in media),
            payload_bytes=sum(portion.payload_bytes for portion in media),
        )
