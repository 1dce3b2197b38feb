from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from ops.process.possession import possession
from ops.server import Server
from streamer.config import parse
from streamer.errors import ConfigError
from tests.fakes.wait import until


async def test_a_second_server_is_told_who_holds_it(tmp_path: Path) -> None:
    async with possession(tmp_path):
        with pytest.raises(ConfigError, match=f"another server, process {os.getpid()}, uses it") as caught:
            async with possession(tmp_path, wait_s=0.0):
                pass
        assert caught.value.findings[0].key == "state.dir"
    async with possession(tmp_path, wait_s=0.0):
        pass


async def test_one_that_is_being_replaced_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def second() -> None:
        async with possession(tmp_path, wait_s=60.0):
            pass

    async with possession(tmp_path):
        waiting = asyncio.create_task(second())
        await until(lambda: "waiting for another server" in caplog.text)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 10)


async def test_a_second_server_leaves_the_database_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with possession(tmp_path):
        second = asyncio.create_task(Server(parse({"state": {"dir": tmp_path}})).run())
        await until(lambda: "waiting for another server" in caplog.text)
        assert os.listdir(tmp_path) == ["server.lock"]
        second.cancel()
        await asyncio.wait({second})
