"""A stream's own clock, steady while publishers come, go and jump.

Encoders start their timestamps anywhere, wrap them, reset them, and drift. Everything downstream (RTP
timestamps, sender reports, segments) wants one clock: seconds since the stream's epoch, never backwards.
`Timeline.place` moves each unit there. Sound and picture share one offset, so their distance never changes.
"""

from __future__ import annotations

from transport.media import AccessUnit

# A publisher whose clock runs this far from the wall clock's pace has jumped; less is burstiness or a queue.
_JUMP_S = 5.0
# A track whose decoding time falls by more than this has another clock: it was set back, or its source began
# again. Less is an encoder's jitter.
_BACK_S = 0.5
# How fast the expected distance follows a slowly drifting encoder: about 20 s at 50 units a second.
_FOLLOW = 0.001
# Sound and picture do not jump with the same unit: so long the offset of before serves what is to come of it.
_CROSSING_S = 2.0
# Between the last unit before a break and the first after it: one frame at 25 fps.
_SEAM_S = 0.04


class Timeline:
    """Maps a publisher's timestamps to seconds since `epoch`.

    Args:
        epoch: time.monotonic() of pts 0.
    """

    def __init__(self, epoch: float) -> None:
        self._epoch = epoch
        # Two at most, the one used last first.
        self._offsets: list[_Offset] = []
        self._last_dts: dict[int, float] = {}
        self.jumps = 0

    def begin(self) -> None:
        """A new publisher: its first unit is placed at its arrival time."""
        self._offsets.clear()

    def place(self, unit: AccessUnit) -> AccessUnit:
        """Return the unit on the stream's clock; dts of a track never runs backwards."""
        arrival = unit.received_at - self._epoch
        offset = self._fitting(unit, arrival) or self._anchor(unit.dts_s, arrival)
        shift = round(offset.seconds * unit.track.clock_rate)
        dts, pts = unit.dts + shift, unit.pts + shift
        last = self._last_dts.get(unit.track.id)
        if last is not None and dts / unit.track.clock_rate < last:
            behind = round(last * unit.track.clock_rate) - dts
            dts, pts = dts + behind, max(pts, dts + behind)
        self._last_dts[unit.track.id] = dts / unit.track.clock_rate
        # Not `replace`, which takes three times as long.
        return AccessUnit(unit.track, pts, dts, unit.data, unit.keyframe, unit.received_at)

    def _fitting(self, unit: AccessUnit, arrival: float) -> _Offset | None:
        """The offset under which the unit follows its track's last one most closely, if there is any."""
        last = self._last_dts.get(unit.track.id)
        best, least = None, float("inf")
        for offset in self._offsets:
            gap = 0.0 if last is None else unit.dts_s + offset.seconds - last
            is_used = offset is self._offsets[0] or arrival - offset.used_at < _CROSSING_S
            if is_used and -_BACK_S <= gap and abs(gap) < least and offset.fits(unit.dts_s, arrival):
                best, least = offset, abs(gap)
        if best is None:
            return None
        if best is not self._offsets[0]:
            self._offsets.reverse()
        best.follow(unit.dts_s, arrival)
        return best

    def _anchor(self, dts_s: float, arrival: float) -> _Offset:
        if self._offsets:
            self.jumps += 1
        start = arrival
        if self._last_dts:
            start = max(arrival, max(self._last_dts.values()) + _SEAM_S)
        offset = _Offset(start - dts_s, start - arrival, arrival)
        self._offsets = [offset, *self._offsets[:1]]
        return offset


class _Offset:
    """What is added to a publisher's seconds, and how far ahead of its arrival that puts a unit.

    Attributes:
        seconds: to be added.
        used_at: arrival of the last unit that it fitted.
    """

    def __init__(self, seconds: float, ahead_s: float, arrival: float) -> None:
        self.seconds = seconds
        self.used_at = arrival
        self._ahead_s = ahead_s

    def fits(self, dts_s: float, arrival: float) -> bool:
        return abs(self._deviation(dts_s, arrival)) <= _JUMP_S

    def follow(self, dts_s: float, arrival: float) -> None:
        self._ahead_s += self._deviation(dts_s, arrival) * _FOLLOW
        self.used_at = arrival

    def _deviation(self, dts_s: float, arrival: float) -> float:
        return dts_s + self.seconds - arrival - self._ahead_s
