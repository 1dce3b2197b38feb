"""One program's timestamps as integers that only move forward, whatever the encoder's clock does.

MPEG-TS has 33 bits of 90 kHz, which wrap after 26.5 hours, RTMP 32 bits of milliseconds; an encoder that
restarts its source within a connection starts anywhere. Sound and picture of a program share the clock, so
they stay together over both.
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

    Args:
        wrap: ticks after which timestamps begin again at 0.

    Attributes:
        jumps: new lines started after the first.
    """

    def __init__(self, wrap: int = _WRAP) -> None:
        self._wrap = wrap
        self._lines: list[_Line] = []
        self.jumps = 0

    def place(self, raw: int, now: float, last: int | None = None) -> int:
        """Give a timestamp its place; the first keeps its value.

        Args:
            raw: ticks of 90 kHz, modulo `wrap`.
            now: time.monotonic() of its arrival, seconds.
            last: what the same track's timestamp before was given, where it must not fall by more than
                `MAX_HELD`: a jump then is what would make it fall, and of two lines the one counts on which
                it follows more closely.
        """
        lines = self._lines
        if (found := self._fitting(raw, now, last)) is not None:
            line, distance = found
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

    def _fitting(self, raw: int, now: float, last: int | None) -> tuple[_Line, int] | None:
        """The line that a timestamp is on and its distance from the newest one there, if there is any."""
        found, least = None, 0
        for line in self._lines:
            distance = difference(raw, line.raw, self._wrap)
            waited = max(0, round((now - line.at) * TICKS_PER_S))
            if not -_MAX_BACK <= distance <= _MAX_AHEAD + waited:
                continue
            if last is None:
                return line, distance
            gap = line.out + distance - last
            if gap >= -MAX_HELD and (found is None or abs(gap) < least):
                found, least = (line, distance), abs(gap)
        return found


def difference(later: int, earlier: int, wrap: int = _WRAP) -> int:
    """Ticks from `earlier` to `later`, both modulo `wrap`, by the shorter way round."""
    return (later - earlier + wrap // 2) % wrap - wrap // 2
