"""How the database finds what a dashboard asks for: through an index, and never by reading whole tables."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from loadtests.audience.year import Size, fill
from streamer.engagement.disclosure import Disclosure
from streamer.engagement.queries import Queries
from streamer.engagement.session import DIMENSIONS
from tests.streamer.engagement.rig import MIDNIGHT, Crowd

NOW = MIDNIGHT + 40_000
DAY_S = 86_400
STREAM = "stream-0"


@pytest.fixture
async def year(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    await fill(engine, Size(streams=1, a_day=4, days=40), NOW)
    yield engine


async def everything(engine: AsyncEngine) -> None:
    queries = Queries(engine, Crowd(at=NOW).audience, clock=lambda: NOW)
    disclosure = Disclosure(engine, 5, lambda: NOW)
    for start, end in (
        (NOW - 3600, NOW),
        (NOW - DAY_S, NOW),
        (NOW - 38 * DAY_S - 17, NOW),
        (NOW - 20 * DAY_S, NOW - 20 * DAY_S + 3600),
    ):
        for stream in (STREAM, ""):
            await queries.summary(stream, start, end)
            await queries.series(stream, start, end)
            found = await queries.sessions(stream, start, end, before=(end - 1, "x"), limit=50)
            await disclosure.blur(found)
            for dimension in DIMENSIONS:
                await disclosure.breakdown(stream, dimension, start, end)
        await queries.streams(start, end)
    await disclosure.decide()


async def plans_of(engine: AsyncEngine) -> list[tuple[str, str]]:
    """Every statement that is asked, and each step of how it is answered."""
    asked: dict[str, Any] = {}

    def note(*given: Any) -> None:
        _, _, statement, parameters, _, many = given
        asked[statement] = parameters[0] if many else parameters

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    await everything(engine)
    event.remove(engine.sync_engine, "before_cursor_execute", note)
    plans = []
    async with engine.connect() as connection:
        for statement, parameters in asked.items():
            if re.match(r"\s*(SELECT|UPDATE)", statement):
                explained = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans += [(statement, row.detail) for row in explained]
    return plans


async def test_no_question_reads_what_it_does_not_need(year: AsyncEngine) -> None:
    plans = await plans_of(year)
    assert len({statement for statement, _ in plans}) > 10
    # What is asked of a result of its own is no table.
    read = [(statement, step) for statement, step in plans if "engagement_" in step]
    assert [each for each in read if each[1].startswith("SCAN")] == []
    for statement, step in read:
        found = re.search(r"USING (COVERING )?INDEX (\S+) \((.*)\)", step)
        assert found, (statement, step)
        # Bounded by a time or by names of rows, not by the stream alone.
        assert re.search(r"ended_at|start|day|grain=\? AND|value=\?", found[3]), (statement, step)
    # Sums of all streams, and of parts, do not read the rows.
    sums = [step for statement, step in read if re.search(r"sum\(engagement_(bucket|share)", statement)]
    assert sums
    assert [step for step in sums if "COVERING INDEX" not in step] == []
    # Who watched for an hour long ago is between both its ends, or one of the few who watched for long.
    watched = [step for statement, step in read if "UNION SELECT engagement_session" in statement]
    assert [step for step in watched if "ended_at>? AND ended_at<?" in step]
    assert [step for step in watched if "ix_engagement_session_long (ended_at>?)" in step]
