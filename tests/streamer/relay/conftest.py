from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.rigs.databases import copied, make_empty, sqlite_url
from tests.transport.rtmp.ingest import Ingest


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("relays") / "empty.db"
    asyncio.run(make_empty(sqlite_url(path)))
    return path


@pytest.fixture
async def engine(template: Path, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    async with copied(template, tmp_path / "relays.db") as engine:
        yield engine


@pytest.fixture
async def ingest() -> AsyncIterator[Ingest]:
    ingest = await Ingest().start()
    yield ingest
    await ingest.stop()
