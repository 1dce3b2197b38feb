"""One program's timestamps as integers that only move forward, whatever the encoder's clock does.

A 90 kHz timestamp has 33 bits and wraps after 26.5 hours; an encoder that restarts its source within a
connection starts anywhere. Sound and picture of a program share the clock, so they stay together over both.
"""

from __future__ import annotations

from typing import Final

TICKS_PER_S: Final = 90_000
#: A track's timestamps that fall by so much or less are held; by more, its encoder's clock was set back, and
#: who puts the units on a clock that never is (the hub) has to know.
MAX_HELD: Final = TICKS_PER_S // 2

_WRAP = 1 << 33
# A stream is late by what its muxer buffers, seldom over a second; ahead by what was lost or is sparse.
_MAX_BACK = 4 * TICKS_PER_S
_MAX_AHEAD = 10 * TICKS_PER_S
# After a jump the new time line goes on a frame later.
_STEP = 3_000


class _Line:
    """A stretch of raw time that runs on without a jump: its newest timestamp, raw and as given out."""

    __slots__ = ("at", "out", "raw")

    def __init__(self, raw: int, out: int, at: float) -> None:
        self.raw = raw
        self.out = out
        self.at = at


class ProgramClock:
    """Unwraps the timestamps of one program.

    A timestamp that fits neither before nor after the newest one, wrap included, starts a new line that
    continues where the old one stood, plus the time that passed meanwhile. The line before is kept, because
    sound and picture do not jump with the same packet and because one corrupt timestamp must not move the
    clock for good.

    Attributes:
        jumps: new lines started after the first.
    """

    def __init__(self) -> None:
        self._lines: list[_Line] = []
        self.jumps = 0

    def place(self, raw: int, now: float) -> int:
        """Give a 33-bit timestamp its place; the first keeps its value."""
        lines = self._lines
        for line in lines:
            distance = difference(raw, line.raw)
            waited = max(0, round((now - line.at) * TICKS_PER_S))
            if -_MAX_BACK <= distance <= _MAX_AHEAD + waited:
                out = line.out + distance
                if distance > 0:
                    line.raw, line.out, line.at = raw, out, now
                if line is not lines[0]:
                    lines.reverse()
                return out
        if not lines:
            lines.append(_Line(raw, raw, now))
            return raw
        self.jumps += 1
        newest = max(lines, key=lambda line: line.out)
        out = newest.out + max(_STEP, round((now - newest.at) * TICKS_PER_S))
        lines.insert(0, _Line(raw, out, now))
        del lines[2:]
        return out


def difference(later: int, earlier: int) -> int:
    """Ticks from `earlier` to `later`, both of 33 bits, by the shorter way round."""
    return (later - earlier + _WRAP // 2) % _WRAP - _WRAP // 2
