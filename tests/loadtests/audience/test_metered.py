from __future__ import annotations

import asyncio
import time

import pytest

from loadtests.audience.metered import Meter


def work() -> None:
    until = time.thread_time() + 0.01
    while time.thread_time() < until:
        pass


def test_what_runs_inside_of_something_metered_counts_once():
    meter = Meter()
    inner = meter.plain(work)
    meter.plain(lambda: [inner(), inner()])()
    assert 0.02 <= meter.spent_s < 0.04


async def test_waiting_costs_nothing_and_nobody_elses_work():
    meter = Meter()

    async def beat(failure: Exception | None) -> str:
        work()
        await asyncio.sleep(0.01)
        if failure:
            raise failure
        return "done"

    found, _ = await asyncio.gather(meter.stepped(beat)(None), asyncio.to_thread(work))
    assert found == "done"
    with pytest.raises(ValueError, match="no"):
        await meter.stepped(beat)(ValueError("no"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.015):
            await meter.stepped(beat)(None)
    assert 0.03 <= meter.spent_s < 0.06
