"""What is behind a feed, without I/O: units in, packetised history out, on the plane's one time base."""

from __future__ import annotations

from transport.errors import WireError
from transport.media import AccessUnit, Codec
from transport.plane.history import History
from transport.plane.interface import PlaneOptions
from transport.rtp.packetize import Packetizer

_CODECS = (Codec.H264, Codec.H265, Codec.OPUS)


class Source:
    """One track's packets and its clock.

    RTP timestamps count the wall clock (RFC 3550 6.4.1) from a random offset that all sources of a plane with
    the same clock rate share. So a viewer who moves from one feed to another, even one that started at
    another time, finds its timestamps going on.

    Attributes:
        history: what was written, packetised.
        malformed: units that could not be packetised.
        closed: nothing more comes; the history is empty.
        is_announced: the plane's thread knows already that something was written, since `announced_at`.
    """

    def __init__(
        self, codec: Codec, clock_rate: int, epoch_s: float, offset: int, options: PlaneOptions
    ) -> None:
        if codec not in _CODECS:
            raise ValueError(f"{codec} cannot be sent over WebRTC")
        if clock_rate <= 0:
            raise ValueError(f"a clock rate of {clock_rate}")
        self.codec = codec
        self.clock_rate = clock_rate
        self.history = History(options.history_s, options.max_history_bytes)
        self.malformed = 0
        self.closed = False
        self.is_announced = False
        self.announced_at = 0.0
        self._offset = offset
        self._base = offset + round(epoch_s * clock_rate)
        self._packetizer = Packetizer(options.max_payload_bytes)

    @property
    def is_video(self) -> bool:
        """True for a picture track, False for sound."""
        return self.codec.is_video

    def timestamp_at(self, wall_s: float) -> int:
        """The RTP timestamp, unwrapped, of a moment in seconds since 1970."""
        return self._offset + round(wall_s * self.clock_rate)

    def write(self, unit: AccessUnit, now: float) -> bool:
        """Packetise one unit; False if there is nothing to send.

        Raises:
            ValueError: a unit of another codec.
        """
        if unit.track.codec is not self.codec:
            raise ValueError(f"{unit.track.codec} written to a feed of {self.codec}")
        if self.closed or (not unit.keyframe and self.history.next_index == 0):
            return False  # nobody can start before the first keyframe
        try:
            payloads = self._packetizer.packetize(unit)
        except WireError:
            self.malformed += 1
            return False
        if not payloads:
            return False
        timestamp = self._base + unit.pts * self.clock_rate // unit.track.clock_rate
        self.history.append(payloads, timestamp, unit.keyframe, now)
        return True

    def close(self) -> None:
        """Forget everything."""
        self.closed = True
        self.history.clear()
