from __future__ import annotations

import asyncio
import logging

import pytest

from streamer.hub.sessions import Endings, Errands


class TestEndings:
    def test_why_is_remembered(self) -> None:
        endings = Endings()
        endings.note("one", "the viewer left")
        assert endings.reason("one") == "the viewer left"
        assert endings.describe("one") == "this session has ended: the viewer left"
        assert endings.reason("two") == ""
        assert endings.describe("two") == "this session has ended, or never was"

    def test_the_oldest_are_forgotten(self) -> None:
        endings = Endings()
        for number in range(1001):
            endings.note(str(number), "it left")
        assert endings.reason("0") == ""
        assert endings.reason("1") == endings.reason("1000") == "it left"


class TestErrands:
    async def test_they_are_waited_for(self) -> None:
        errands = Errands("an errand")
        done: list[int] = []

        async def go(number: int) -> None:
            await asyncio.sleep(0)
            done.append(number)

        errands.run(go(1))
        errands.run(go(2))
        await errands.settle(5.0)
        assert done == [1, 2]
        await errands.settle(5.0)

    async def test_those_that_take_too_long_are_ended(self) -> None:
        errands = Errands("an errand")
        waiting = asyncio.Event()
        ended: list[bool] = []

        async def wait() -> None:
            try:
                await waiting.wait()
            finally:
                ended.append(True)

        errands.run(wait())
        await errands.settle(0.01)
        assert ended == []
        await errands.cancel()
        assert ended == [True]

    async def test_one_that_fails_is_told_of(self, caplog: pytest.LogCaptureFixture) -> None:
        errands = Errands("an errand")

        async def fail() -> None:
            raise RuntimeError("no")

        with caplog.at_level(logging.ERROR):
            errands.run(fail())
            await errands.settle(5.0)
            await asyncio.sleep(0)
        assert "an errand failed" in caplog.text
