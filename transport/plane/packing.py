"""A track's units as RTP payloads with their times: what both planes do before they keep them."""

from __future__ import annotations

from transport.errors import WireError
from transport.media import AccessUnit, Codec
from transport.rtp.packetize import Packetizer

_CODECS = (Codec.H264, Codec.H265, Codec.OPUS)


class Packing:
    """Packetises one track.

    RTP timestamps count the wall clock (RFC 3550 6.4.1) from a random offset that all tracks of a plane with
    the same clock rate share. So a viewer who moves from one feed to another, even one that started at
    another time, finds its timestamps going on.

    Args:
        codec: of the track.
        clock_rate: of its timestamps, ticks per second.
        epoch_s: wall-clock time (seconds since 1970) of the units' pts 0.
        offset: of the timestamps, ticks.
        max_payload_bytes: of one RTP payload.

    Attributes:
        malformed: units that could not be packetised.

    Raises:
        ValueError: a codec that WebRTC does not carry, or no clock rate.
    """

    def __init__(
        self, codec: Codec, clock_rate: int, epoch_s: float, offset: int, max_payload_bytes: int
    ) -> None:
        if codec not in _CODECS:
            raise ValueError(f"{codec} cannot be sent over WebRTC")
        if clock_rate <= 0:
            raise ValueError(f"a clock rate of {clock_rate}")
        self.codec = codec
        self.clock_rate = clock_rate
        self.malformed = 0
        self._base = offset + round(epoch_s * clock_rate)
        self._packetizer = Packetizer(max_payload_bytes)

    def check(self, unit: AccessUnit) -> None:
        """Refuse what is not of this track.

        Raises:
            ValueError: a unit of another codec.
        """
        if unit.track.codec is not self.codec:
            raise ValueError(f"{unit.track.codec} written to a feed of {self.codec}")

    def packetize(self, unit: AccessUnit) -> list[bytes]:
        """Payloads of a unit; none of one that cannot be packetised, which is counted."""
        try:
            return self._packetizer.packetize(unit)
        except WireError:
            self.malformed += 1
            return []

    def pair(self, unit: AccessUnit) -> tuple[bytes, int] | None:
        """One payload for the last sound and this one, and its timestamp; see `Packetizer.pair`."""
        pair = self._packetizer.pair(unit)
        if pair is None:
            return None
        payload, first = pair
        return payload, self.timestamp(first)

    def timestamp(self, unit: AccessUnit) -> int:
        """The RTP timestamp, unwrapped, of a unit on any clock."""
        return self._base + unit.pts * self.clock_rate // unit.track.clock_rate
