from __future__ import annotations

import asyncio
import time

from auth.turns import SLICE_S, Slice, in_turns


def test_a_slice_is_over_after_its_time() -> None:
    began = time.perf_counter()
    turn = Slice()
    while not turn.is_over:
        assert time.perf_counter() < began + 60
    assert time.perf_counter() - began >= SLICE_S


async def test_others_have_their_turn_in_between() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    seen = []
    async for number in in_turns(range(4)):
        seen.append(number)
        began = time.perf_counter()
        while time.perf_counter() < began + SLICE_S:
            pass
    task.cancel()
    assert seen == [0, 1, 2, 3]
    assert turns >= 4


async def test_nothing_to_do() -> None:
    assert [item async for item in in_turns([])] == []
