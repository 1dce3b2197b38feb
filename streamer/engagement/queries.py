"""Answers about the past, from the rows that `store.py` wrote."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, CompoundSelect, and_, func, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from streamer.engagement.audience import ALL, Audience
from streamer.engagement.batch import DAY_S, HOUR_S
from streamer.engagement.presence import Present, present
from streamer.engagement.retention import Point, curve
from streamer.engagement.session import COUNTED
from streamer.engagement.sketch import Durations, Scores
from streamer.engagement.span import LENGTH_S, Piece, pieces, step_for, widen
from streamer.engagement.store import KEPT, Retention, Sum
from streamer.engagement.tables import DAY, IS_LONG, LONG_S, MINUTE, buckets, sessions
from streamer.engagement.uniques import Uniques

#: Up to this length, different viewers are counted from single sessions.
_EXACT_S = 6 * HOUR_S
_MOST_SESSIONS = 1000


@dataclass(frozen=True, slots=True)
class Summary:
    """A stream's audience in a span of time; "" is all streams.

    Attributes:
        start, end: of the span, as far as it could be told apart.
        numbers: sums, as in `Sum`.
        unique_viewers: different pseudonyms; of several days, the sum of the days'.
        retention: see `retention.py`.
        quality: mean score of sessions that ended; None without any.
    """

    start: int
    end: int
    numbers: dict[str, float]
    peak: int
    unique_viewers: int
    starts_ms: dict[int, float | None]
    qualities: dict[int, float | None]
    quality: float | None
    histogram: list[int]
    retention: list[Point] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Moment:
    """One point of a series: `viewers` is the mean over its length."""

    at: int
    viewers: float
    peak: int
    plays: int
    bytes: float
    quality: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """Points in order, `step_s` apart; where nobody watched there is none."""

    step_s: int
    moments: list[Moment]


async def _nobody() -> list[Present]:
    return []


class Queries:
    """The past of a database's streams, with the sessions that audiences still have.

    Args:
        engine: the database.
        audience: who watches here now.
        retention: what is kept.
        clock: seconds since 1970.
        elsewhere: who watches on other machines now.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        audience: Audience,
        retention: Retention = KEPT,
        clock: Callable[[], float] = time.time,
        elsewhere: Callable[[], Awaitable[list[Present]]] = _nobody,
    ) -> None:
        self._engine = engine
        self._audience = audience
        self._kept = retention
        self._clock = clock
        self._elsewhere = elsewhere

    async def summary(self, stream: str, start: float, end: float) -> Summary:
        """A stream's audience in a span."""
        now = self._clock()
        parts = pieces(start, end, now, self._kept)
        total = Sum()
        everywhere = [*await self._elsewhere(), *present(self._audience)]
        there = [each for each in everywhere if stream in (ALL, each.stream)]
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_rows(stream, parts))).all()
            unique = await self._unique(connection, stream, start, end, rows, there)
        # Visitors were united apart; minutes of several machines have their peaks added.
        total.take_rows(rows)
        first, last = widen(start, end, now, self._kept)
        running = [each.watch_s(now) for each in there] if last >= now - 60 else []
        qualities = total.sketches["qualities"]
        edges = (0, *range(10, 101, 10))
        return Summary(
            start=first,
            end=last,
            numbers=total.numbers,
            peak=_peak(rows),
            unique_viewers=unique,
            starts_ms={share: total.sketches["starts"].quantile(share / 100) for share in (50, 90, 95, 99)},
            qualities={share: qualities.quantile(share / 100) for share in (5, 25, 50, 75, 95)},
            quality=qualities.mean(),
            histogram=[qualities.between(low, high) for low, high in pairwise(edges)],
            retention=curve(Durations(total.sketches["watched"].counts), np.array(running, np.float64)),
        )

    async def series(self, stream: str, start: float, end: float) -> Series:
        """A stream's audience over time."""
        grain = step_for(start, end, self._clock(), self._kept)
        length_s = LENGTH_S[grain]
        column = buckets.c
        wanted = (
            select(column.start, column.peak, column.plays, column.watch_s, column.bytes, column.qualities)
            .where(column.stream == stream, column.grain == grain)
            .where(column.start >= int(start) // length_s * length_s, column.start < end)
            .order_by(column.start)
        )
        async with self._engine.connect() as connection:
            rows = (await connection.execute(wanted)).all()
        # Minutes of several machines are one.
        places = {at: place for place, at in enumerate(dict.fromkeys(row.start for row in rows))}
        sums = [[0, 0, 0.0, 0.0] for _ in places]
        for at, *values, _ in rows:
            each = sums[places[at]]
            for index, value in enumerate(values):
                each[index] += value
        scores = Scores.means([row.qualities for row in rows], [places[row.start] for row in rows], len(sums))
        moments = [
            Moment(at, watch_s / length_s, int(peak), int(plays), sent, quality)
            for at, (peak, plays, watch_s, sent), quality in zip(places, sums, scores, strict=True)
        ]
        return Series(length_s, moments)

    async def streams(self, start: float, end: float) -> list[dict[str, Any]]:
        """Every stream that was watched in a span: plays, watch_s, bytes, peak; the most watched first."""
        parts = pieces(start, end, self._clock(), self._kept)
        column = buckets.c
        found: dict[str, dict[str, Any]] = {}
        async with self._engine.connect() as connection:
            for part in parts:
                # Minutes of several machines are one; of hours and days there is one row.
                summed = [
                    func.sum(column[name]).label(name) for name in ("plays", "watch_s", "bytes", "peak")
                ]
                each_start = select(column.stream, *summed).where(_in(part), column.stream != ALL)
                starts = each_start.group_by(column.stream, column.start).subquery()
                together: list[ColumnElement[Any]] = [
                    *(func.sum(starts.c[name]) for name in ("plays", "watch_s", "bytes")),
                    func.max(starts.c.peak),
                ]
                wanted = select(starts.c.stream, *together)
                for stream, plays, watch_s, sent, peak in await connection.execute(
                    wanted.group_by(starts.c.stream)
                ):
                    each = found.setdefault(
                        stream, {"stream": stream, "plays": 0, "watch_s": 0.0, "bytes": 0.0, "peak": 0}
                    )
                    each["plays"] += int(plays)
                    each["watch_s"] += float(watch_s)
                    each["bytes"] += float(sent)
                    each["peak"] = max(each["peak"], int(peak))
        return sorted(found.values(), key=lambda each: -each["watch_s"])

    async def sessions(
        self,
        stream: str,
        start: float,
        end: float,
        *,
        before: tuple[float, str] | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Sessions that ended in a span, the last first.

        Args:
            stream: "" for all.
            start: seconds since 1970.
            end: as above.
            before: end and id of the last one that is known already.
            limit: of them.
        """
        column = sessions.c
        wanted = select(sessions).where(column.ended_at >= start, column.ended_at < end)
        if stream != ALL:
            wanted = wanted.where(column.stream == stream)
        if before is not None:
            at, id = before
            wanted = wanted.where(or_(column.ended_at < at, and_(column.ended_at == at, column.id < id)))
        wanted = wanted.order_by(column.ended_at.desc(), column.id.desc()).limit(min(limit, _MOST_SESSIONS))
        async with self._engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(wanted)).mappings()]

    async def _unique(
        self,
        connection: AsyncConnection,
        stream: str,
        start: float,
        end: float,
        rows: Sequence[Any],
        there: Sequence[Present],
    ) -> int:
        if end - start <= _EXACT_S and start >= self._clock() - self._kept.sessions_s:
            found = set((await connection.execute(_watching(stream, start, end))).scalars())
            found |= {
                each.viewer
                for each in there
                if each.viewer and each.watching_at < end and not each.ended_at < start
            }
            return len(found)
        total = sum(row.viewers for row in rows if row.grain == DAY)
        days = {(row.start // DAY_S) for row in rows if row.grain == DAY}
        first, last = int(start // HOUR_S) * HOUR_S, end
        column = buckets.c
        # Of days that are not asked for as a whole, the hours; they begin and end on the hour.
        edges = {day for day in (first // DAY_S, int(last) // DAY_S) if day not in days}
        by_day: dict[int, Uniques] = {}
        for day in edges:
            low, high = max(first, day * DAY_S), min(last, (day + 1) * DAY_S)
            wanted = select(column.visitors).where(
                column.stream == stream, column.grain == 1, column.start >= low, column.start < high
            )
            for visitors in (await connection.execute(wanted)).scalars():
                by_day.setdefault(day, Uniques()).unite(visitors)
        return int(total) + sum(len(each) for each in by_day.values())


def _watching(stream: str, start: float, end: float) -> CompoundSelect[Any]:
    """The pseudonyms of who watched at any time of a span, from sessions that ended.

    Those that ended long after it are many, and few of them began before its end: only the long ones can.
    """
    column = sessions.c
    overlaps = [column.watch_s > 0, column.ended_at >= start, column.ended_at - column.watch_s < end]
    if stream != ALL:
        overlaps.append(column.stream == stream)
    soon = select(column.viewer).where(column.ended_at < end + LONG_S, *overlaps)
    late = select(column.viewer).where(IS_LONG, column.ended_at >= end + LONG_S, *overlaps)
    return soon.union(late)


def _in(part: Piece) -> Any:
    column = buckets.c
    return and_(column.grain == part.grain, column.start >= part.start, column.start < part.end)


def _rows(stream: str, parts: Sequence[Piece]) -> CompoundSelect[Any]:
    names = (
        "grain",
        "start",
        "plays",
        "failed",
        "ended",
        "peak",
        "viewers",
        *COUNTED,
        "starts",
        "qualities",
        "watched",
    )
    columns = [buckets.c[name] for name in names]
    # Each piece for itself: SQLite would read all of the stream's rows to find those of one piece or another.
    return union_all(*(select(*columns).where(buckets.c.stream == stream, _in(part)) for part in parts))


def _peak(rows: Sequence[Any]) -> int:
    """Minutes of several machines add up to one."""
    minutes: dict[int, int] = {}
    highest = 0
    for row in rows:
        if row.grain == MINUTE:
            minutes[row.start] = minutes.get(row.start, 0) + row.peak
        else:
            highest = max(highest, row.peak)
    return max([highest, *minutes.values()])
