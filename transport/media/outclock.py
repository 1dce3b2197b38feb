"""The time line of an output: begins where it is told, never runs backwards, survives a change of source.

Pure: the only clock here is what units carry. Ticks are of 90 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass

from transport.media.unit import AccessUnit

TICKS_PER_S = 90_000
TICKS_PER_MS = 90

# A source whose time leaves the pace of arrival by more has jumped; less is burstiness.
_JUMP_TICKS = 5 * TICKS_PER_S
# Between two pictures, where nothing better is known: 30 a second.
_USUAL_TICKS = 3000


@dataclass(slots=True)
class _Row:
    """One track's progress: in the source's time, None of a new source; in the output's, and by arrival."""

    source: int | None
    output: int
    received_at: float
    step: int = _USUAL_TICKS


class OutputClock:
    """Places the units of one picture and one sound track, which share one shift.

    Args:
        start_ms: where the output begins.

    Attributes:
        expects_video: pictures will come, so output begins at a keyframe, and not at a sound.
        jumps: how often the source's time jumped and was brought back.
    """

    def __init__(self, start_ms: int = 0, *, expects_video: bool = True) -> None:
        self.expects_video = expects_video
        self.jumps = 0
        self._start = start_ms * TICKS_PER_MS
        self._shift: int | None = None
        self._rows: dict[bool, _Row] = {}
        self._shown = 0  # latest pts, so that no picture is shown before one of the former source

    @property
    def position(self) -> int:
        """Ticks after which nothing was placed yet; where the output begins, before the first unit."""
        return max((row.output for row in self._rows.values()), default=self._start)

    @property
    def is_waiting(self) -> bool:
        """True until the unit comes that output can begin or go on with."""
        return self._shift is None

    def splice(self) -> None:
        """What follows has a clock of its own and begins at a keyframe."""
        self._shift = None

    def place(self, unit: AccessUnit) -> tuple[int, int] | None:
        """Where a unit belongs: dts and pts, the dts of a track never decreasing; None to leave it out."""
        is_video = unit.track.is_video
        source = _ticks(unit.dts, unit)
        row = self._rows.get(is_video)
        if self._shift is not None and row is not None and self._jumped(row, source, unit):
            self.jumps += 1
            self._shift = None
        if self._shift is None:
            if is_video != self.expects_video or not unit.keyframe:
                return None
            self._shift = self._entry(unit, source) - source
            for each in self._rows.values():
                each.source = None
        dts = source + self._shift
        if row is None:
            # After the sound came the picture, whose keyframe may be a little older: all hangs on that.
            if is_video and unit.keyframe:
                dts = max(dts, self._start)
            elif is_video or dts < self._start:
                return None
            self._rows[is_video] = _Row(source, dts, unit.received_at)
        else:
            if dts < row.output:
                if not is_video:
                    return None
                dts = row.output
            if row.source is not None and 0 < source - row.source < TICKS_PER_S:
                row.step = source - row.source
            row.source, row.output, row.received_at = source, dts, unit.received_at
        pts = max(dts, _ticks(unit.pts, unit) + self._shift)
        if is_video:
            self._shown = max(self._shown, pts)
        return dts, pts

    def _jumped(self, row: _Row, source: int, unit: AccessUnit) -> bool:
        if row.source is None:
            return False
        moved, passed = source - row.source, (unit.received_at - row.received_at) * TICKS_PER_S
        return abs(moved - passed) > _JUMP_TICKS and not 0 <= moved <= _JUMP_TICKS

    def _entry(self, unit: AccessUnit, source: int) -> int:
        """Where the first unit of a source belongs."""
        if not self._rows:
            return self._start
        # A picture follows the last picture, and a source's time is the time of its arrival.
        row = self._rows.get(unit.track.is_video) or next(iter(self._rows.values()))
        passed = round((unit.received_at - row.received_at) * TICKS_PER_S)
        entry = row.output + max(passed, row.step)
        if unit.track.is_video:
            delay = _ticks(unit.pts, unit) - source
            entry = max(entry, self._shown + row.step - delay)
        return entry


def _ticks(time: int, unit: AccessUnit) -> int:
    rate = unit.track.clock_rate
    return time if rate == TICKS_PER_S else time * TICKS_PER_S // rate
