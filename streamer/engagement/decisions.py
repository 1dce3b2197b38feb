"""What was decided on the parts of past days, kept beside them, so that a year is summed by the database.

A share's `told` is the threshold it was decided with: positive where it may be told, negative where it is
withheld, 0 while its day lasts. What another threshold decided is decided anew when it is asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from streamer.engagement.batch import DAY_S, HOUR_S
from streamer.engagement.parts import told_of_day
from streamer.engagement.session import DIMENSIONS
from streamer.engagement.store import take_turn
from streamer.engagement.tables import DAY, IS_UNDECIDED, buckets, shares

#: What machines still deliver of a day when it is over.
LATE_S = HOUR_S
_AT_ONCE = 100
_KEY = ("stream", "day", "dimension", "value")

#: By day, dimension and value.
Parts = dict[int, dict[str, dict[str, Any]]]


def is_over(day: int, now: float) -> bool:
    """Whether nothing is added to a day any more; it is named by its beginning, seconds since 1970."""
    return now >= day + DAY_S + LATE_S


async def parts_of(connection: AsyncConnection, stream: str, days: Iterable[int]) -> Parts:
    """The parts of some days, and on each whether it may be told."""
    found: Parts = defaultdict(lambda: defaultdict(dict))
    columns = [
        shares.c[name] for name in ("day", "dimension", "value", "viewers", "plays", "watch_s", "bytes")
    ]
    wanted = select(*columns).where(
        shares.c.stream == stream, shares.c.dimension.in_(DIMENSIONS), shares.c.day.in_(list(days))
    )
    for row in await connection.execute(wanted):
        found[row.day][row.dimension][row.value] = row
    return found


async def told_of_days(
    connection: AsyncConnection, stream: str, parts: Parts, threshold: int
) -> dict[int, dict[str, set[str]]]:
    """Of some days' parts, those that may be told."""
    wanted = select(buckets.c.start, buckets.c.plays, buckets.c.watch_s).where(
        buckets.c.stream == stream, buckets.c.grain == DAY, buckets.c.start.in_(list(parts))
    )
    wholes = {row.start: row for row in await connection.execute(wanted)}
    found = {}
    for day, dimensions in parts.items():
        viewers = {
            dimension: {value: int(row.viewers) for value, row in rows.items()}
            for dimension, rows in dimensions.items()
        }
        hidden = _unfollowed(wholes.get(day), list(dimensions["protocol"].values()))
        found[day] = told_of_day(viewers, threshold, hidden=hidden)
    return found


async def decide(engine: AsyncEngine, stream: str, days: Sequence[int], threshold: int) -> None:
    """Keep what is decided on some days that are over."""
    async with engine.begin() as connection:
        await take_turn(connection)
        parts = await parts_of(connection, stream, days)
        decided = await told_of_days(connection, stream, parts, threshold)
        rows = [
            {
                **{"b_stream": stream, "b_day": day, "b_dimension": dimension, "b_value": value},
                "b_told": threshold if value in decided[day][dimension] else -threshold,
            }
            for day, dimensions in parts.items()
            for dimension, values in dimensions.items()
            for value in values
        ]
        if rows:
            statement = update(shares).values(told=bindparam("b_told"))
            for name in _KEY:
                statement = statement.where(shares.c[name] == bindparam(f"b_{name}"))
            await connection.execute(statement, rows)


async def decide_past(engine: AsyncEngine, now: float, threshold: int) -> int:
    """Decide on some of the days that are over; how many streams' days that were, 0 when all are decided."""
    last = int((now - LATE_S) // DAY_S) * DAY_S
    wanted = select(shares.c.stream, shares.c.day).where(IS_UNDECIDED, shares.c.day < last)
    async with engine.connect() as connection:
        found = (await connection.execute(wanted.group_by(*wanted.selected_columns).limit(_AT_ONCE))).all()
    days: dict[str, list[int]] = defaultdict(list)
    for stream, day in found:
        days[stream].append(day)
    for stream, each in days.items():
        await decide(engine, stream, each, threshold)
    return len(found)


async def undecided(
    connection: AsyncConnection, stream: str, dimension: str, first: int, last: int, threshold: int
) -> list[int]:
    """The days of a span that are not decided on, or not with this threshold."""
    wanted = (
        select(shares.c.day)
        .distinct()
        .where(
            shares.c.stream == stream,
            shares.c.dimension == dimension,
            shares.c.day >= first,
            shares.c.day < last,
            func.abs(shares.c.told) != threshold,
        )
    )
    return sorted((await connection.execute(wanted)).scalars())


def _unfollowed(whole: Any, followed: Sequence[Any]) -> int:
    """How many of a day's viewers are in no part; everybody in any is in one by protocol."""
    if whole is None:
        return 0
    plays = int(whole.plays) - sum(row.plays for row in followed)
    # Sums in another order differ by a little.
    watched = float(whole.watch_s) - sum(row.watch_s for row in followed) > 0.5
    return plays if plays > 0 else int(watched)
