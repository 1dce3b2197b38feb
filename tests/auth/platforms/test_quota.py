from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from auth.platforms.quota import QuotaLedger
from tests.auth.ground import Clock


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


async def test_units_are_spent_until_there_are_none(engine: AsyncEngine) -> None:
    ledger = QuotaLedger(engine, 100, clock=Clock())
    assert await ledger.spend("p", 60)
    assert not await ledger.spend("p", 50)
    assert not await ledger.spend("p", 20, keep=30)
    assert await ledger.spend("p", 40)
    assert await ledger.left("p") == 0
    assert await ledger.left("another") == 100
    assert not await ledger.spend("another", 101)


async def test_many_who_spend_at_once_spend_no_more_than_there_is(engine: AsyncEngine) -> None:
    ledger = QuotaLedger(engine, 100, clock=Clock())
    taken = await asyncio.gather(*(ledger.spend("p", 30) for _ in range(5)))
    assert sum(taken) == 3


async def test_machines_that_spend_the_first_of_a_day_at_once_share_it(engine: AsyncEngine) -> None:
    ledgers = [QuotaLedger(engine, 100, clock=Clock()) for _ in range(6)]
    taken = await asyncio.gather(*(ledger.spend("p", 30) for ledger in ledgers))
    assert sum(taken) == 3
    assert await ledgers[0].left("p") == 10


async def test_others_who_spent_from_the_same_project(sqlite_engine: AsyncEngine) -> None:
    ledger = QuotaLedger(sqlite_engine, 100, clock=Clock())
    await ledger.exhaust("p")
    assert await ledger.left("p") == 0
    assert await QuotaLedger(sqlite_engine, 100, clock=Clock()).left("p") == 0


async def test_the_day_ends_at_midnight_in_california(sqlite_engine: AsyncEngine) -> None:
    clock = Clock(at("2026-07-01T06:59:00"))
    ledger = QuotaLedger(sqlite_engine, 100, clock=clock)
    await ledger.spend("p", 100)
    assert ledger.renews_in_s() == 60
    clock.now += 61
    assert await ledger.left("p") == 100
    assert await ledger.spend("p", 1)
    # The night in which summer time ends has an hour more.
    clock.now = at("2026-11-01T07:30:00")
    assert ledger.renews_in_s() == 24.5 * 3600
