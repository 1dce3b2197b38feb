from __future__ import annotations

import asyncio
import time

import numpy as np

from ops.process.health import LoopLag, SendDelay
from tests.fakes.wait import until
from transport.plane.delays import BUCKETS, bucket


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


def test_the_delay_of_sending_is_that_of_what_was_sent_since() -> None:
    counts = np.zeros(BUCKETS, dtype=np.uint64)
    counts[bucket(1.0)] += np.uint64(50)
    delay = SendDelay(lambda: counts.copy())
    assert delay.percentile_ms(0.5) is None
    counts[bucket(0.002)] += np.uint64(99)
    counts[bucket(0.010)] += np.uint64(1)
    half, most, longest = (delay.percentile_ms(share) for share in (0.5, 0.99, 1.0))
    assert half is not None and most is not None and longest is not None
    assert 2.0 <= half == most < 2.2 and 10.0 <= longest < 11.0
