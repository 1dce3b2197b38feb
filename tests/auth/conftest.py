"""Tests of storage run on SQLite and on PostgreSQL.

A module whose promises stand above the SQL says `DATABASES = ("sqlite",)`, and its tests run once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.auth.rig import People
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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database" in metafunc.fixturenames:
        both = ("sqlite", "postgresql")
        metafunc.parametrize("database", getattr(metafunc.module, "DATABASES", both), indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Path | URL:
    """A file to copy, or where a server is. Not async: what it asks for runs a loop of its own."""
    found: Path | URL = request.getfixturevalue(
        "empty_sqlite" if request.param == "sqlite" else "shared_postgresql"
    )
    return found


@pytest.fixture
async def engine(database: Path | URL, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """An empty database, up to date."""
    async with (
        copied(database, tmp_path / "streamer.db") if isinstance(database, Path) else emptied(database)
    ) as engine:
        yield engine


@pytest.fixture
async def sqlite_engine(empty_sqlite: Path, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """For tests whose promise has nothing to do with the database."""
    async with copied(empty_sqlite, tmp_path / "streamer.db") as engine:
        yield engine


@pytest.fixture
def people(engine: AsyncEngine) -> People:
    """On both databases."""
    return People(engine)
