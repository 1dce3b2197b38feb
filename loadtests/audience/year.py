"""A year of many streams in a database, and how long a dashboard's questions take."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from streamer.engagement.audience import Audience
from streamer.engagement.batch import DAY_S, HOUR_S, MINUTE_S
from streamer.engagement.disclosure import Disclosure
from streamer.engagement.queries import Queries
from streamer.engagement.session import COUNTED
from streamer.engagement.sketch import Durations, Scores, Sketch
from streamer.engagement.tables import DAY, HOUR, MINUTE, buckets, sessions, shares
from streamer.engagement.uniques import Uniques

_COUNTRIES = ("DE", "FR", "GB", "US", "PL", "ES", "IT", "NL", "AT", "CH", "")
_ROWS = 5000


async def fill(engine: AsyncEngine, streams: int, now: float, *, sessions_a_day: int = 50) -> int:
    """Write what a year leaves behind, and a day of minutes; the number of rows."""
    written = 0
    dice = np.random.default_rng(1)
    kinds = [_sketches(dice, size) for size in (20, 200, 2000)]
    names = ["", *(f"stream-{index}" for index in range(streams))]
    for name in names:
        for table, rows in _rows(name, kinds, now, sessions_a_day if name else 0):
            async with engine.begin() as connection:
                await connection.execute(insert(table), rows)
            written += len(rows)
    return written


async def ask(engine: AsyncEngine, now: float) -> dict[str, float]:
    """How long each of a dashboard's questions takes at most, milliseconds."""
    queries = Queries(engine, Audience(lambda: now), clock=lambda: now)
    disclosure = Disclosure(engine, 5)
    took: dict[str, float] = {}
    spans = {"hour": HOUR_S, "day": DAY_S, "week": 7 * DAY_S, "month": 30 * DAY_S, "year": 365 * DAY_S}
    for stream in ("stream-7", ""):
        for name, length_s in spans.items():
            # Ends at odd times: that is the worst there is.
            start, end = now - length_s - 1234, now - 567
            what = f"{'all streams' if not stream else 'one stream'}, {name}"
            questions: dict[str, Callable[[], Awaitable[Any]]] = {
                "summary": partial(queries.summary, stream, start, end),
                "series": partial(queries.series, stream, start, end),
                "breakdown": partial(disclosure.breakdown, stream, "country", start, end),
                "streams": partial(queries.streams, start, end),
                "sessions": partial(queries.sessions, stream, start, end),
            }
            for question, put in questions.items():
                worst = 0.0
                for _ in range(3):
                    began = time.perf_counter()
                    answer = await put()
                    if question == "sessions":
                        await disclosure.blur(answer)
                    worst = max(worst, (time.perf_counter() - began) * 1000)
                took[f"{question}, {what}"] = worst
    return took


def _rows(
    name: str, kinds: list[dict[str, Any]], now: float, a_day: int
) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    for grain, length_s, kept_s, kind in (
        (DAY, DAY_S, 365 * DAY_S, kinds[2]),
        (HOUR, HOUR_S, 365 * DAY_S, kinds[1]),
        (MINUTE, MINUTE_S, DAY_S, kinds[0]),
    ):
        first = int(now - kept_s) // length_s * length_s
        starts = range(first, int(now), length_s)
        for place in range(0, len(starts), _ROWS):
            node, visitors = ("node", b"") if grain == MINUTE else ("", kind["visitors"])
            own = {**kind, "stream": name, "grain": grain, "node": node, "visitors": visitors}
            yield buckets, [{**own, "start": start} for start in starts[place : place + _ROWS]]
    days = range(int(now - 365 * DAY_S) // DAY_S * DAY_S, int(now), DAY_S)
    some = {"plays": 20, "watch_s": 1000.0, "bytes": 1e9, "viewers": 18, "visitors": kinds[0]["visitors"]}
    yield (
        shares,
        [
            {**some, "stream": name, "day": day, "dimension": "country", "value": country}
            for day in days
            for country in _COUNTRIES
        ],
    )
    for day in range(int(now - 30 * DAY_S), int(now), DAY_S) if a_day else ():
        yield sessions, [_session(name, day + index * DAY_S / a_day, index) for index in range(a_day)]


def _sketches(dice: np.random.Generator, size: int) -> dict[str, Any]:
    visitors = Uniques()
    visitors.add(dice.integers(0, 2**64 - 1, size, np.uint64))
    return {
        "plays": size, "failed": 0, "ended": size, "peak": size // 3, "viewers": size,
        **dict.fromkeys(COUNTED, 1000.0 * size),
        "starts": Sketch.of(dice.lognormal(5, 0.5, size)).serialize(),
        "qualities": Scores.of(dice.uniform(60, 100, size)).serialize(),
        "watched": Durations.of(dice.exponential(300, size)).serialize(),
        "visitors": visitors.serialize(),
    }  # fmt: skip


_WHOLE = ("width", "height", "bytes", "packets", "lost", "retransmitted", "nacks", "plis", "freezes")
_MEANS = ("join_ms", "start_ms", "quality", "rtt_ms", "jitter_ms", "buffer_ms")
_TIMES = ("frozen_s", "audible_s", "visible_s", "watch_s")
_TEXTS = ("account", "network", "region")


def _session(stream: str, at: float, index: int) -> dict[str, Any]:
    return {
        **dict.fromkeys((*_WHOLE, "decoded", "dropped"), 1),
        **dict.fromkeys((*_MEANS, *_TIMES), 50.0),
        **dict.fromkeys(_TEXTS, ""),
        "id": f"{stream}-{at:.3f}",
        "stream": stream,
        "node": "node",
        "protocol": "whep",
        "viewer": f"{index:032x}",
        "device": "desktop",
        "browser": "Firefox",
        "country": _COUNTRIES[index % 10],
        "started_at": at - 60,
        "ended_at": at,
        "reason": "left",
    }
