"""Databases that are up to date and empty, made once and handed to one test after another."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.storage.schema import generations
from ops.migrations.declared import schema
from ops.storage.database import make_engine, open_database


def sqlite_url(path: Path) -> URL:
    return URL.create("sqlite", database=str(path))


async def make_empty(url: URL) -> None:
    await (await open_database(url)).dispose()


@asynccontextmanager
async def copied(template: Path, path: Path) -> AsyncIterator[AsyncEngine]:
    """A SQLite database that begins as `template`."""
    shutil.copy(template, path)
    engine = make_engine(sqlite_url(path))
    yield engine
    await engine.dispose()


@asynccontextmanager
async def emptied(url: URL) -> AsyncIterator[AsyncEngine]:
    """A PostgreSQL database that earlier tests used."""
    engine = make_engine(url)
    emptying = [f"DELETE FROM {table.name};" for table in reversed(schema().sorted_tables)]
    emptying.append(f"INSERT INTO {generations.name} (id, number) VALUES (1, 0);")
    async with engine.begin() as connection:
        # In one go: there is one round trip for it, in every test.
        await connection.execute(text(f"DO $$ BEGIN {' '.join(emptying)} END $$"))
    yield engine
    await engine.dispose()
