"""Doing something in a transaction that may be somebody else's, or beside somebody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


@asynccontextmanager
async def within(engine: AsyncEngine, connection: AsyncConnection | None) -> AsyncIterator[AsyncConnection]:
    """The transaction that is handed over, which its owner commits, or one of our own."""
    if connection is not None:
        yield connection
        return
    async with engine.begin() as own:
        yield own


def upsert(connection: AsyncConnection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that takes `on_conflict_do_nothing` and `on_conflict_do_update`, for the database at hand."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
