"""Doing something in a transaction that may be somebody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


@asynccontextmanager
async def within(engine: AsyncEngine, connection: AsyncConnection | None) -> AsyncIterator[AsyncConnection]:
    """The transaction that is handed over, which its owner commits, or one of our own."""
    if connection is not None:
        yield connection
        return
    async with engine.begin() as own:
        yield own
