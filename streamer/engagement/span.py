"""A span of time as the rows that cover it: days in the middle, hours beside them, minutes at its ends.

What is so old that its minutes or hours are deleted is answered by the next coarser rows: the span then grows
to their edges.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamer.engagement.batch import DAY_S, HOUR_S, MINUTE_S
from streamer.engagement.store import Retention
from streamer.engagement.tables import DAY, HOUR, MINUTE

LENGTH_S = {MINUTE: MINUTE_S, HOUR: HOUR_S, DAY: DAY_S}


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one grain, from the one that begins at `start` to the one that ends at `end`."""

    grain: int
    start: int
    end: int


def widen(start: float, end: float, now: float, kept: Retention) -> tuple[int, int]:
    """A span to the edges of the rows that are kept of its ends."""
    return _down(start, _finest(start, now, kept)), _up(end, _finest(end, now, kept))


def pieces(start: float, end: float, now: float, kept: Retention) -> list[Piece]:
    """The rows of a span, none twice."""
    first, last = widen(start, end, now, kept)
    found: list[Piece] = []
    at = first
    while at < last:
        grain = next(
            grain
            for grain in (DAY, HOUR, MINUTE)
            if at % LENGTH_S[grain] == 0 and (at + LENGTH_S[grain] <= last or grain == _finest(at, now, kept))
        )
        length_s = LENGTH_S[grain]
        if found and found[-1].grain == grain and found[-1].end == at:
            found[-1] = Piece(grain, found[-1].start, at + length_s)
        else:
            found.append(Piece(grain, at, at + length_s))
        at += length_s
    return found


def step_for(start: float, end: float, now: float, kept: Retention, most: int = 1500) -> int:
    """The finest grain that draws a span with at most so many points."""
    for grain in (MINUTE, HOUR, DAY):
        if grain >= _finest(start, now, kept) and (end - start) / LENGTH_S[grain] <= most:
            return grain
    return DAY


def _finest(at: float, now: float, kept: Retention) -> int:
    # A row is gone when its beginning is too old; a day's margin keeps the edges from wandering.
    if at >= now - kept.minutes_s + DAY_S or (kept.minutes_s <= DAY_S and at >= now - kept.minutes_s / 2):
        return MINUTE
    return HOUR if at >= now - kept.hours_s + DAY_S else DAY


def _down(at: float, grain: int) -> int:
    return int(at // LENGTH_S[grain]) * LENGTH_S[grain]


def _up(at: float, grain: int) -> int:
    return -int(-at // LENGTH_S[grain]) * LENGTH_S[grain]
