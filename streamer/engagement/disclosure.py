"""What may be told of parts of an audience without telling of anybody in it.

`parts.py` says which parts, and `decisions.py` keeps that. They are decided on day by day, and told of whole
days only, so that two spans that overlap cannot be subtracted from each other. Of sessions the same is told
as of parts, one property within the other, and only once their day is over: else who asks again and again
sees whose end changed the answer. A viewer has another pseudonym on every stream, so that what is told of one
tells nothing of another.
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from streamer.engagement.batch import DAY_S
from streamer.engagement.decisions import decide, decide_past, is_over, parts_of, told_of_days, undecided
from streamer.engagement.parts import told
from streamer.engagement.tables import sessions, shares

#: From the least to the most telling; what is withheld takes what follows with it.
_TELLING = ("country", "device", "browser", "region")
# In no value, as no header and no database of places carries it through `recognise` and `Places`.
_BETWEEN = "\t"
_PSEUDONYM_CHARACTERS = 32
_SUMMED = ("plays", "viewers", "watch_s", "bytes")

Combination = tuple[str, ...]
#: By day and stream, the beginnings of combinations that may be told.
Tellable = dict[tuple[int, str], set[Combination]]


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


class Disclosure:
    """Parts of audiences, and sessions, as they may be told.

    Args:
        engine: the database.
        threshold: the fewest viewers that anything is told of.
        clock: seconds since 1970.
    """

    def __init__(self, engine: AsyncEngine, threshold: int, clock: Callable[[], float] = time.time) -> None:
        self.threshold = threshold
        self._engine = engine
        self._clock = clock

    async def breakdown(self, stream: str, dimension: str, start: float, end: float) -> Breakdown:
        """A stream's audience by a dimension, over the whole days of a span."""
        first, last = int(start // DAY_S) * DAY_S, -int(-end // DAY_S) * DAY_S
        sums: dict[str, list[float]] = defaultdict(lambda: [0.0] * len(_SUMMED))
        async with self._engine.connect() as connection:
            days = await undecided(connection, stream, dimension, first, last, self.threshold)
            withheld = await self._sum_up(connection, sums, stream, dimension, first, last, days)
            parts = await parts_of(connection, stream, days)
            decided = await told_of_days(connection, stream, parts, self.threshold)
        for day, dimensions in parts.items():
            for value, row in dimensions[dimension].items():
                if value in decided[day][dimension]:
                    _add(sums[value], [getattr(row, name) for name in _SUMMED])
                else:
                    withheld = True
        over = [day for day in days if is_over(day, self._clock())]
        if over:
            await decide(self._engine, stream, over, self.threshold)
        found = [
            Part(value, int(plays), int(viewers), watch_s, sent)
            for value, (plays, viewers, watch_s, sent) in sums.items()
        ]
        return Breakdown(sorted(found, key=lambda part: -part.watch_s), withheld, first, last)

    async def decide(self) -> bool:
        """Decide on some of the days that are over; False when there are none left."""
        return await decide_past(self._engine, self._clock(), self.threshold) > 0

    async def blur(self, found: list[dict[str, Any]], known: Tellable | None = None) -> list[dict[str, Any]]:
        """Empty, in sessions, what may not be told of them, and name their viewers for this stream only.

        Args:
            found: the sessions.
            known: what may be told, kept from one page of them to the next.
        """
        known = {} if known is None else known
        now = self._clock()
        new = [
            session for session in found if _key(session) not in known and is_over(_day(session) * DAY_S, now)
        ]
        if new:
            crowds = await self._crowds(new)
            known.update({key: _tellable(counts, self.threshold) for key, counts in crowds.items()})
        return [self._blurred(session, known) for session in found]

    async def _sum_up(
        self,
        connection: AsyncConnection,
        sums: dict[str, list[float]],
        stream: str,
        dimension: str,
        first: int,
        last: int,
        but: Sequence[int],
    ) -> bool:
        """Sum the parts of days that are decided on, but for some; whether any was withheld."""
        column = shares.c
        spanned = [column.stream == stream, column.dimension == dimension]
        spanned += [column.day >= first, column.day < last]
        if but:
            spanned.append(column.day.not_in(list(but)))
        summed = [func.sum(column[name]) for name in _SUMMED]
        told_ones = select(column.value, *summed).where(*spanned, column.told == self.threshold)
        for value, *numbers in await connection.execute(told_ones.group_by(column.value)):
            _add(sums[value], [float(number) for number in numbers])
        withheld = select(column.day).where(*spanned, column.told == -self.threshold).limit(1)
        return (await connection.execute(withheld)).first() is not None

    async def _crowds(self, found: Sequence[dict[str, Any]]) -> dict[tuple[int, str], dict[Combination, int]]:
        """How many viewers share each combination, by day and stream of the sessions.

        A viewer with several, as one with an account may have, counts once.
        """
        column = sessions.c
        days = sorted({_day(session) for session in found})
        day = case(*((column.ended_at < (each + 1) * DAY_S, each) for each in days), else_=-1).label("day")
        together: ColumnElement[str] = column[_TELLING[0]]
        for name in _TELLING[1:]:
            together = together + _BETWEEN + column[name]
        viewers = (
            select(day, column.stream, func.min(together).label("combination"))
            .where(column.ended_at >= days[0] * DAY_S, column.ended_at < (days[-1] + 1) * DAY_S)
            .where(column.stream.in_({session["stream"] for session in found}))
            .group_by(day, column.stream, column.viewer)
            .subquery()
        )
        each = (viewers.c.day, viewers.c.stream, viewers.c.combination)
        counts: dict[tuple[int, str], dict[Combination, int]] = defaultdict(dict)
        async with self._engine.connect() as connection:
            for at, stream, combination, number in await connection.execute(
                select(*each, func.count()).group_by(*each)
            ):
                counts[at, stream][tuple(combination.split(_BETWEEN))] = number
        return counts

    def _blurred(self, session: dict[str, Any], known: Tellable) -> dict[str, Any]:
        combinations = known.get(_key(session), set())
        combination = tuple(session[name] for name in _TELLING)
        length = 0
        while length < len(_TELLING) and combination[: length + 1] in combinations:
            length += 1
        withheld = dict.fromkeys(_TELLING[length:], "")
        return {**session, **withheld, "viewer": _pseudonym_on(session["stream"], session["viewer"])}


def _add(sums: list[float], numbers: Sequence[float]) -> None:
    for index, number in enumerate(numbers):
        sums[index] += number


def _tellable(counts: Mapping[Combination, int], threshold: int) -> set[Combination]:
    """Of all combinations, their beginnings that may be told."""
    found: set[Combination] = {()}
    for length in range(1, len(_TELLING) + 1):
        within: dict[Combination, dict[Combination, int]] = defaultdict(lambda: defaultdict(int))
        for combination, number in counts.items():
            if combination[: length - 1] in found:
                within[combination[: length - 1]][combination[:length]] += number
        for parts in within.values():
            found |= told(parts, threshold)
    return found


def _pseudonym_on(stream: str, viewer: str) -> str:
    # The day's pseudonym is told nowhere, so that this needs no key.
    return hashlib.sha256(f"{viewer}{_BETWEEN}{stream}".encode()).hexdigest()[:_PSEUDONYM_CHARACTERS]


def _key(session: dict[str, Any]) -> tuple[int, str]:
    return _day(session), session["stream"]


def _day(session: dict[str, Any]) -> int:
    return int(session["ended_at"] // DAY_S)
