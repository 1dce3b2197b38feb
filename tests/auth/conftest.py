"""Every test of storage runs on SQLite and on PostgreSQL."""

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
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """An empty database, up to date."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("empty_sqlite")
        async with copied(template, tmp_path / "streamer.db") as engine:
            yield engine
    else:
        url: URL = request.getfixturevalue("shared_postgresql")
        async with emptied(url) as engine:
            yield engine


@pytest.fixture
async def sqlite_engine(empty_sqlite: Path, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """For tests whose promise has nothing to do with the database."""
    async with copied(empty_sqlite, tmp_path / "streamer.db") as engine:
        yield engine
