"""A year of many streams in a database: what it holds afterwards, written in bulk by the database itself.

Each stream is watched around the clock, by the same number of sessions every day: rows of every minute for a
week, of every hour and day for a year, single sessions for a month. They are written in the order of time,
as a server does, so that what belongs to one stream lies scattered between the others' rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from sqlalchemy import (
    Column,
    ColumnElement,
    Double,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    cast,
    func,
    insert,
    select,
    text,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from streamer.engagement.audience import ALL
from streamer.engagement.batch import DAY_S, HOUR_S, MINUTE_S
from streamer.engagement.parts import told_of_day
from streamer.engagement.session import COUNTED
from streamer.engagement.sketch import Durations, Scores, Sketch
from streamer.engagement.store import KEPT
from streamer.engagement.tables import DAY, HOUR, MINUTE, buckets, sessions, shares
from streamer.engagement.uniques import Uniques

_PIECES = 25
_THRESHOLD = 5
#: So many rows of one kind differ; the rest repeats them.
_VARIANTS = 7
_WEIGHTS = np.arange(1, 61, dtype=np.float64) ** -1.2
_COUNTRIES = [f"{first}{second}" for first in "DEFGHI" for second in "ABCDEFGHIJ"]
_DEVICES = ["desktop", "phone", "tablet", "tv", "console", "program", "other"]
_BROWSERS = ["Chrome", "Safari", "Firefox", "Edge", "Samsung Internet", "Opera", "OBS", "VLC", "other"]


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is.

    Attributes:
        a_day: sessions of each stream.
        days: that the oldest rows are old.
    """

    streams: int = 100
    a_day: int = 200
    days: int = 365

    @property
    def names(self) -> list[str]:
        """Of the streams."""
        return [f"stream-{index}" for index in range(self.streams)]


async def fill(engine: AsyncEngine, size: Size, now: float) -> int:
    """Write what a year leaves behind; the number of rows. Nothing where there is something already."""
    async with engine.begin() as connection:
        if (await connection.execute(select(buckets.c.start).limit(1))).first() is not None:
            return await _count(connection)
        await _fill_buckets(connection, size, now)
        await _fill_shares(connection, size, now)
        await _fill_sessions(connection, size, now)
    async with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            # As autovacuum would have done long ago.
            for table in (buckets, shares, sessions):
                await connection.execute(text(f"ANALYZE {table.name}"))
            await connection.commit()
        return await _count(connection)


async def _count(connection: AsyncConnection) -> int:
    counts = (select(func.count()).select_from(table) for table in (buckets, shares, sessions))
    return sum([await connection.scalar(count) or 0 for count in counts])


async def _scratch(
    connection: AsyncConnection, name: str, columns: Sequence[Column[Any]], rows: list[dict[str, Any]]
) -> Table:
    """A temporary table with rows."""
    table = Table(name, MetaData(), *columns, prefixes=["TEMPORARY"])
    await connection.run_sync(table.create)
    await connection.execute(insert(table), rows)
    await connection.execute(text(f"ANALYZE {name}"))
    return table


async def _fill_buckets(connection: AsyncConnection, size: Size, now: float) -> None:
    dice = np.random.default_rng(1)
    names = await _scratch(
        connection,
        "name",
        [Column("stream", String), Column("everything", Integer), Column("place", Integer)],
        [{"stream": ALL, "everything": 1, "place": 0}]
        + [{"stream": each, "everything": 0, "place": place} for place, each in enumerate(size.names)],
    )
    left_out = ("stream", "start")
    own = [Column(each.name, each.type) for each in buckets.c if each.name not in left_out]
    kinds = [
        {**_bucket(dice, max(1, round(plays)), grain), "everything": everything, "variant": variant}
        for everything, times in ((0, 1), (1, size.streams))
        for grain, length_s in ((MINUTE, MINUTE_S), (HOUR, HOUR_S), (DAY, DAY_S))
        for plays in [size.a_day * times * length_s / DAY_S]
        for variant in range(_VARIANTS)
    ]
    marks = [Column("everything", Integer), Column("variant", Integer)]
    kind = await _scratch(connection, "kind", [*own, *marks], kinds)
    starts = [
        {"grain": grain, "start": start, "number": start // length_s}
        for grain, length_s, kept_s in (
            (DAY, DAY_S, size.days * DAY_S),
            (HOUR, HOUR_S, min(size.days * DAY_S, int(KEPT.hours_s))),
            (MINUTE, MINUTE_S, int(KEPT.minutes_s)),
        )
        for start in range(int(now - kept_s) // length_s * length_s, int(now), length_s)
    ]
    integers = [Column(name, Integer) for name in ("grain", "start", "number")]
    start = await _scratch(connection, "start", integers, starts)
    chosen = select(names.c.stream, start.c.start, *(kind.c[each.name] for each in own)).where(
        kind.c.grain == start.c.grain,
        kind.c.everything == names.c.everything,
        kind.c.variant == (start.c.number + names.c.place) % _VARIANTS,
    )
    ordered = chosen.order_by(start.c.start, start.c.grain, names.c.stream)
    columns = ["stream", "start", *(each.name for each in own)]
    times = sorted(each["start"] for each in starts)
    await _insert(connection, buckets, columns, ordered, start.c.start, times)


async def _fill_shares(connection: AsyncConnection, size: Size, now: float) -> None:
    dice = np.random.default_rng(2)
    days = await _day_table(connection, "share_day", size.days * DAY_S, now)
    names = await _scratch(
        connection,
        "share_name",
        [Column("stream", String), Column("everything", Integer)],
        [{"stream": ALL, "everything": 1}] + [{"stream": each, "everything": 0} for each in size.names],
    )
    drawn = [
        (everything, variant, _parts(dice, size.a_day * (size.streams if everything else 1)))
        for everything in (0, 1)
        for variant in range(_VARIANTS)
    ]
    parts = [
        {
            **{"dimension": dimension, "value": value, "everything": everything, "variant": variant},
            **{"plays": viewers, "watch_s": 500.0 * viewers, "bytes": 1e8 * viewers, "viewers": viewers},
            "visitors": _visitors(dice, viewers),
            # As it stands beside days that are over; today's are few.
            "told": _THRESHOLD if value in told[dimension] else -_THRESHOLD,
        }
        for everything, variant, kinds in drawn
        for told in [told_of_day(kinds, _THRESHOLD)]
        for dimension, counts in kinds.items()
        for value, viewers in counts.items()
    ]
    own = [Column(each.name, each.type) for each in shares.c if each.name not in ("stream", "day")]
    marks = [Column("everything", Integer), Column("variant", Integer)]
    part = await _scratch(connection, "part", [*own, *marks], parts)
    chosen = select(names.c.stream, days.c.day, *(part.c[each.name] for each in own)).where(
        part.c.everything == names.c.everything, part.c.variant == days.c.number % _VARIANTS
    )
    columns = ["stream", "day", *(each.name for each in own)]
    ordered = chosen.order_by(days.c.day, names.c.stream)
    await _insert(connection, shares, columns, ordered, days.c.day, _days(size.days * DAY_S, now))
    today = int(now) // DAY_S * DAY_S
    await connection.execute(update(shares).where(shares.c.day >= today - DAY_S).values(told=0))


async def _fill_sessions(connection: AsyncConnection, size: Size, now: float) -> None:
    dice = np.random.default_rng(3)
    days = await _day_table(connection, "session_day", int(KEPT.sessions_s), now)
    names = await _scratch(
        connection,
        "session_name",
        [Column("stream", String), Column("place", Integer)],
        [{"stream": each, "place": place} for place, each in enumerate(size.names)],
    )
    left_out = ("id", "stream", "started_at", "ended_at")
    own = [Column(each.name, each.type) for each in sessions.c if each.name not in left_out]
    marks = [Column("mark", String), Column("at_s", Double), Column("length_s", Double)]
    drawn = [_session(dice, index) for index in range(size.a_day)]
    one = await _scratch(connection, "one", [*own, *marks], drawn)
    # Every stream has its sessions at other seconds, none after now.
    ended_at = days.c.day + one.c.at_s + names.c.place * 0.37
    name = names.c.stream + "-" + cast(days.c.number, String) + "-" + one.c.mark
    values: dict[str, ColumnElement[Any]] = {each.name: one.c[each.name] for each in own}
    # Of another day is another pseudonym.
    values["viewer"] = func.substr(one.c.viewer, 1, 27) + cast(days.c.number, String)
    times = (ended_at - one.c.length_s, ended_at)
    chosen = select(name, names.c.stream, *times, *(values[each.name] for each in own))
    every = names.join(one, true()).join(days, true())
    chosen = chosen.select_from(every).where(ended_at < now)
    columns = ["id", "stream", "started_at", "ended_at", *(each.name for each in own)]
    ordered = chosen.order_by(ended_at)
    await _insert(connection, sessions, columns, ordered, days.c.day, _days(int(KEPT.sessions_s), now))


async def _insert(
    connection: AsyncConnection,
    table: Table,
    columns: Sequence[str],
    rows: Select[Any],
    at: Column[Any],
    times: Sequence[int],
) -> None:
    """Insert rows of some times, in the order of these; in pieces, as no statement may take for ever."""
    edges = [times[len(times) * piece // _PIECES] for piece in range(_PIECES)] + [times[-1] + 1]
    for first, last in pairwise(edges):
        piece = rows.where(at >= first, at < last)
        await connection.execute(insert(table).from_select(list(columns), piece))


def _days(kept_s: int, now: float) -> range:
    return range(int(now - kept_s) // DAY_S * DAY_S, int(now), DAY_S)


async def _day_table(connection: AsyncConnection, name: str, kept_s: int, now: float) -> Table:
    rows = [{"day": day, "number": day // DAY_S} for day in _days(kept_s, now)]
    return await _scratch(connection, name, [Column("day", Integer), Column("number", Integer)], rows)


def _bucket(dice: np.random.Generator, plays: int, grain: int) -> dict[str, Any]:
    """A row of `buckets` without its stream and time."""
    return {
        "grain": grain,
        "node": "node" if grain == MINUTE else "",
        **{"plays": plays, "failed": 0, "ended": plays, "peak": plays // 3 + 1, "viewers": plays},
        **dict.fromkeys(COUNTED, 1000.0 * plays),
        "starts": Sketch.of(dice.lognormal(5, 0.5, plays)).serialize(),
        "qualities": Scores.of(dice.uniform(60, 100, plays)).serialize(),
        "watched": Durations.of(dice.exponential(300, plays)).serialize(),
        "visitors": b"" if grain == MINUTE else _visitors(dice, plays),
    }


def _visitors(dice: np.random.Generator, viewers: int) -> bytes:
    visitors = Uniques()
    visitors.add(dice.integers(0, 2**64 - 1, viewers, np.uint64))
    return visitors.serialize()


def _parts(dice: np.random.Generator, people: int) -> dict[str, dict[str, int]]:
    """How many there are of each value, by dimension."""
    countries = _drawn(dice, _COUNTRIES, people)
    regions = (
        (f"{country}-{region}", viewers)
        for country, number in countries.items()
        for region, viewers in _drawn(dice, [str(each) for each in range(12)], number).items()
    )
    return {
        "protocol": {"whep": people},
        "device": _drawn(dice, _DEVICES, people),
        "browser": _drawn(dice, _BROWSERS, people),
        "country": countries,
        "region": dict(regions),
    }


def _drawn(dice: np.random.Generator, values: Sequence[str], number: int) -> dict[str, int]:
    weights = _WEIGHTS[: len(values)] / _WEIGHTS[: len(values)].sum()
    counts = dice.multinomial(number, weights).tolist()
    return {value: count for value, count in zip(values, counts, strict=True) if count}


def _one(dice: np.random.Generator, values: Sequence[str]) -> str:
    return next(iter(_drawn(dice, values, 1)))


_WHOLE = ("bytes", "packets", "lost", "retransmitted", "nacks", "plis", "freezes", "decoded", "dropped")
_MEANS = ("join_ms", "start_ms", "quality", "rtt_ms", "jitter_ms", "buffer_ms")


def _session(dice: np.random.Generator, index: int) -> dict[str, Any]:
    """A row of `sessions` without what depends on stream and day."""
    watch_s = float(dice.exponential(900)) * (30 if index % 50 == 0 else 1)
    country = _one(dice, _COUNTRIES)
    # Some watch twice a day.
    viewer = index if index % 4 else index // 4
    return {
        **dict.fromkeys(_WHOLE, 1000),
        **{name: float(dice.uniform(10, 100)) for name in _MEANS},
        **{"frozen_s": 1.0, "audible_s": watch_s, "visible_s": watch_s, "watch_s": watch_s},
        **{"width": 1920, "height": 1080, "node": "node", "protocol": "whep", "reason": "the viewer left"},
        **{"viewer": f"{viewer * 7919:032x}"[::-1], "account": "", "network": f"203.0.{index % 256}.0/24"},
        **{"device": _one(dice, _DEVICES), "browser": _one(dice, _BROWSERS)},
        **{"country": country, "region": f"{country}-{_one(dice, ['1', '2', '3', '4', '5', '6'])}"},
        **{"mark": str(index), "at_s": float(dice.uniform(0, DAY_S - 100)), "length_s": watch_s + 0.2},
    }
