"""What is behind a feed, without I/O: units in, packetised history out, on the plane's one time base."""

from __future__ import annotations

from transport.media import AccessUnit, Codec
from transport.plane.history import History
from transport.plane.interface import PlaneOptions
from transport.plane.packing import Packing


class Source:
    """One track's packets and its clock; see `Packing` for both, and for what it raises.

    Attributes:
        history: what was written, packetised.
        closed: nothing more comes; the history is empty.
        is_announced: the plane's thread knows already that something was written, since `announced_at`.
    """

    def __init__(
        self, codec: Codec, clock_rate: int, epoch_s: float, offset: int, options: PlaneOptions
    ) -> None:
        self.codec = codec
        self.clock_rate = clock_rate
        self.history = History(options.history_s, options.max_history_bytes)
        self.closed = False
        self.is_announced = False
        self.announced_at = 0.0
        self._offset = offset
        self._packing = Packing(codec, clock_rate, epoch_s, offset, options.max_payload_bytes)

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
        self._packing.check(unit)
        if self.closed or (not unit.keyframe and self.history.next_index == 0):
            return False  # nobody can start before the first keyframe
        payloads = self._packing.packetize(unit)
        if not payloads:
            return False
        self.history.append(payloads, self._packing.timestamp(unit), unit.keyframe, now)
        return True

    def close(self) -> None:
        """Forget everything."""
        self.closed = True
        self.history.clear()
