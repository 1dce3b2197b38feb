from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Select, func, select, text, union_all
from sqlalchemy.exc import InvalidRequestError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.errors import AuthUnavailable
from auth.storage.one_row import OneRow
from auth.storage.schema import bump, generations

_SEEN = OneRow(select(func.count(), func.max(generations.c.number)).where(generations.c.id == 1))


async def test_what_others_committed_is_seen_and_nothing_else(engine: AsyncEngine) -> None:
    count, before = await _SEEN.ask(engine)
    assert count == 1
    async with engine.begin() as connection:
        await bump(connection)
        assert await _SEEN.ask(engine) == (1, before)
    assert await _SEEN.ask(engine) == (1, before + 1)


async def test_nothing_is_not_zero(engine: AsyncEngine) -> None:
    nobody = OneRow(select(func.count(), func.max(generations.c.number)).where(generations.c.id == 7))
    assert await nobody.ask(engine) == (0, None)


@pytest.mark.parametrize(
    "query",
    [
        select(generations.c.id).where(generations.c.id == 7),
        select(union_all(select(generations.c.id), select(generations.c.id)).subquery()),
    ],
    ids=["none", "two"],
)
async def test_no_row_and_two_fail_as_they_do_in_any_query(engine: AsyncEngine, query: Select[Any]) -> None:
    with pytest.raises(InvalidRequestError, match="required"):
        await OneRow(query).ask(engine)


async def test_without_the_table_it_fails_as_any_query_does(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE auth_generation RENAME TO elsewhere"))
    try:
        with pytest.raises((SQLAlchemyError, AuthUnavailable), match="auth_generation"):
            await _SEEN.ask(engine)
    finally:
        async with engine.begin() as connection:
            await connection.execute(text("ALTER TABLE elsewhere RENAME TO auth_generation"))
