from __future__ import annotations

import asyncio
import time

from ops.health import LoopLag
from tests.fakes.wait import until


async def test_a_blocked_loop_shows() -> None:
    lag = LoopLag()
    running = asyncio.create_task(lag.run())
    await asyncio.sleep(0)
    block = time.sleep
    block(0.8)  # the event loop stands still beyond the measuring period
    await until(lambda: lag.worst_s > 0.2)
    running.cancel()
    await asyncio.wait([running])
    worst = lag.take_worst()
    assert worst >= lag.seconds
    assert lag.take_worst() == 0
