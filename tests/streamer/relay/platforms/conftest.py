from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rigs.databases import copied, make_empty, sqlite_url
from tests.streamer.relay.platforms.rig import Stage
from tests.streamer.relay.platforms.rig import stage as staged


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not async: what makes it runs a loop of its own."""
    path = tmp_path_factory.mktemp("databases") / "empty.db"
    asyncio.run(make_empty(sqlite_url(path)))
    return path


@pytest.fixture
async def stage(empty: Path, tmp_path: Path) -> AsyncIterator[Stage]:
    async with copied(empty, tmp_path / "streamer.db") as engine, staged(engine) as stage:
        yield stage
