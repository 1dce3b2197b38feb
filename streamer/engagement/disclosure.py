"""What may be told of parts of an audience without telling of anybody in it.

A part with fewer viewers than the threshold is withheld. So that it does not follow from the whole and the
other parts, what is withheld must itself be of so many: else the next smallest part goes with it. Parts are
decided on day by day, and told of whole days only, so that two spans that overlap cannot be subtracted from
each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from streamer.engagement.batch import DAY_S
from streamer.engagement.tables import sessions, shares

#: From the most to the least telling; what is left out first.
_TELLING = ("region", "browser", "device", "country")


@dataclass(frozen=True, slots=True)
class Part:
    """One value's part of an audience; `viewers` of several days are the sum of the days'."""

    value: str
    plays: int
    viewers: int
    watch_s: float
    bytes: float


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The parts that may be told, the greatest first; whether others may not; of which days, in seconds."""

    parts: list[Part]
    withheld: bool
    start: int
    end: int


def told(parts: Sequence[Part], threshold: int) -> list[Part]:
    """Of one day's parts, those that may be told."""
    shown = sorted((part for part in parts if part.viewers >= threshold), key=lambda part: part.viewers)
    hidden = sum(part.viewers for part in parts if part.viewers < threshold)
    while 0 < hidden < threshold and shown:
        hidden += shown.pop(0).viewers
    return shown


class Disclosure:
    """Parts of audiences, and sessions, as they may be told.

    Args:
        engine: the database.
        threshold: the fewest viewers that anything is told of.
    """

    def __init__(self, engine: AsyncEngine, threshold: int) -> None:
        self.threshold = threshold
        self._engine = engine

    async def breakdown(self, stream: str, dimension: str, start: float, end: float) -> Breakdown:
        """A stream's audience by a dimension, over the whole days of a span."""
        column = shares.c
        first, last = int(start // DAY_S) * DAY_S, -int(-end // DAY_S) * DAY_S
        wanted = select(column.day, column.value, column.plays, column.viewers, column.watch_s, column.bytes)
        wanted = wanted.where(column.stream == stream, column.day >= first, column.day < last)
        days: dict[int, list[Part]] = {}
        async with self._engine.connect() as connection:
            for row in await connection.execute(wanted.where(column.dimension == dimension)):
                part = Part(row.value, row.plays, row.viewers, row.watch_s, row.bytes)
                days.setdefault(row.day, []).append(part)
        sums: dict[str, Part] = {}
        withheld = False
        for parts in days.values():
            shown = told(parts, self.threshold)
            withheld |= len(shown) < len(parts)
            for part in shown:
                before = sums.get(part.value, Part(part.value, 0, 0, 0.0, 0.0))
                sums[part.value] = replace(
                    before,
                    plays=before.plays + part.plays,
                    viewers=before.viewers + part.viewers,
                    watch_s=before.watch_s + part.watch_s,
                    bytes=before.bytes + part.bytes,
                )
        return Breakdown(sorted(sums.values(), key=lambda part: -part.watch_s), withheld, first, last)

    async def blur(self, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Empty, in sessions, what fewer viewers of the same day and stream have in common."""
        if not found:
            return found
        counts = await self._crowds(found)
        return [self._blurred(session, counts) for session in found]

    async def _crowds(self, found: Sequence[dict[str, Any]]) -> dict[tuple[Any, ...], int]:
        """How many viewers share each combination that could be told, in what the sessions are of."""
        column = sessions.c
        days = sorted({_day(session) for session in found})
        streams = {session["stream"] for session in found}
        counts: dict[tuple[Any, ...], int] = {}
        async with self._engine.connect() as connection:
            for day in days:
                spanned = (column.ended_at >= day * DAY_S, column.ended_at < (day + 1) * DAY_S)
                for left_out in range(len(_TELLING)):
                    kept = [column[name] for name in _TELLING[left_out:]]
                    wanted = select(column.stream, *kept, func.count(column.viewer.distinct())).where(
                        *spanned
                    )
                    wanted = wanted.where(column.stream.in_(streams)).group_by(column.stream, *kept)
                    for stream, *values, viewers in await connection.execute(wanted):
                        counts[day, stream, *values] = viewers
        return counts

    def _blurred(self, session: dict[str, Any], counts: dict[tuple[Any, ...], int]) -> dict[str, Any]:
        for left_out in range(len(_TELLING) + 1):
            names = _TELLING[left_out:]
            key = (_day(session), session["stream"], *(session[name] for name in names))
            if not names or counts.get(key, 0) >= self.threshold:
                return {**session, **dict.fromkeys(_TELLING[:left_out], "")}
        raise AssertionError("nothing left out is never too few")


def _day(session: dict[str, Any]) -> int:
    return int(session["ended_at"] // DAY_S)
