from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.rigs.databases import copied, emptied, make_empty, sqlite_url
from tests.rigs.postgresql import Cluster


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("databases") / "empty.db"
    asyncio.run(make_empty(sqlite_url(path)))
    return path


@pytest.fixture(scope="session")
def shared_postgresql(postgresql: Cluster) -> URL:
    asyncio.run(make_empty(postgresql.url()))
    return postgresql.url()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Path | URL:
    found: Path | URL = request.getfixturevalue(
        "empty_sqlite" if request.param == "sqlite" else "shared_postgresql"
    )
    return found


@pytest.fixture
async def either_engine(database: Path | URL, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """On both databases, where the SQL itself is in doubt."""
    async with (
        copied(database, tmp_path / "streamer.db") if isinstance(database, Path) else emptied(database)
    ) as engine:
        yield engine


@pytest.fixture
async def engine(empty_sqlite: Path, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """On SQLite."""
    async with copied(empty_sqlite, tmp_path / "streamer.db") as engine:
        yield engine
