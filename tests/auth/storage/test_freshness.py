from __future__ import annotations

import asyncio

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.storage.freshness import Freshness, Remembered
from auth.storage.schema import bump
from tests.auth.rig import Clock


class Visits:
    """Counts how often a connection to the database is taken."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.count = 0
        event.listen(engine.sync_engine, "checkout", self._note)

    def _note(self, *_: object) -> None:
        self.count += 1


async def test_the_database_is_asked_now_and_then_only(sqlite_engine: AsyncEngine) -> None:
    clock = Clock()
    freshness = Freshness(sqlite_engine, interval_s=0.25, monotonic=clock)
    visits = Visits(sqlite_engine)
    assert await asyncio.gather(*(freshness.generation() for _ in range(100))) == [0] * 100
    assert visits.count == 1
    async with sqlite_engine.begin() as connection:
        await bump(connection)
    assert await freshness.generation() == 0
    assert visits.count == 2, "the change"
    clock.advance(0.25)
    assert await freshness.generation() == 1
    assert visits.count == 3


async def test_doubt_asks_at_once(sqlite_engine: AsyncEngine) -> None:
    freshness = Freshness(sqlite_engine, monotonic=Clock())
    assert await freshness.generation() == 0
    async with sqlite_engine.begin() as connection:
        await bump(connection)
    freshness.doubt()
    assert await freshness.generation() == 1


class TestRemembered:
    def test_nothing_outlives_its_generation(self) -> None:
        remembered: Remembered[str] = Remembered()
        remembered.keep("a", 1, "one")
        assert remembered.recall("a", 1) == "one"
        assert remembered.recall("a", 2) is None
        remembered.keep("b", 2, "two")
        assert remembered.recall("a", 2) is None
        assert remembered.recall("b", 2) == "two"

    def test_it_is_bounded(self) -> None:
        remembered: Remembered[int] = Remembered(max_entries=3)
        for number in range(5):
            remembered.keep(str(number), 1, number)
        assert [remembered.recall(str(number), 1) for number in range(5)] == [None, None, 2, 3, 4]

    def test_forgetting_one(self) -> None:
        remembered: Remembered[int] = Remembered()
        remembered.keep("a", 1, 1)
        remembered.forget("a")
        remembered.forget("never there")
        assert remembered.recall("a", 1) is None
