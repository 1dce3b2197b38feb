from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.errors import AuthUnavailable
from auth.storage.schema import bump, generation, glance


async def test_a_glance_sees_what_was_committed_and_nothing_else(engine: AsyncEngine) -> None:
    before = await glance(engine)
    async with engine.begin() as connection:
        await bump(connection)
        assert await generation(connection) == before + 1
        assert await glance(engine) == before
    assert await glance(engine) == before + 1


async def test_a_glance_at_a_database_without_the_table_fails_as_any_query_does(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE auth_generation RENAME TO elsewhere"))
    try:
        with pytest.raises((SQLAlchemyError, AuthUnavailable), match="auth_generation") as glanced:
            await glance(engine)
        with pytest.raises((SQLAlchemyError, AuthUnavailable), match="auth_generation") as queried:
            async with engine.connect() as connection:
                await generation(connection)
    finally:
        async with engine.begin() as connection:
            await connection.execute(text("ALTER TABLE elsewhere RENAME TO auth_generation"))
    assert type(glanced.value) is type(queried.value)
