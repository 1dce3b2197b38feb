from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import Select, func, select, text, union_all
from sqlalchemy.exc import InvalidRequestError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.errors import AuthUnavailable
from auth.storage.one_row import TRUSTED_S, OneRow
from auth.storage.schema import bump, generations

_SEEN = OneRow(select(func.count(), func.max(generations.c.number)).where(generations.c.id == 1))


async def test_what_others_committed_is_seen_and_nothing_else(engine: AsyncEngine) -> None:
    count, before = await _SEEN.ask(engine)
    assert count == 1
    async with engine.begin() as connection:
        await bump(connection)
        assert await _SEEN.ask(engine) == (1, before)
    assert await _SEEN.ask(engine) == (1, before + 1)


async def test_what_another_process_committed_is_seen(sqlite_engine: AsyncEngine) -> None:
    _, before = await _SEEN.ask(sqlite_engine)
    (path,) = [row[2] for row in await _rows(sqlite_engine, "PRAGMA database_list")]
    for number in range(1, 4):
        assert await _SEEN.ask(sqlite_engine) == (1, before + number - 1)
        code = (
            f"import sqlite3; db = sqlite3.connect({path!r}); "
            "db.execute('UPDATE auth_generation SET number = number + 1'); db.commit()"
        )
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], check=True)
        assert await _SEEN.ask(sqlite_engine) == (1, before + number)


async def test_without_a_commit_a_row_is_read_once_and_then_now_and_then(
    sqlite_engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    read: list[str] = []
    await _SEEN.ask(sqlite_engine)  # finds out where the file is
    monkeypatch.setattr(
        aiosqlite.Connection, "execute_fetchall", _noting(read, aiosqlite.Connection.execute_fetchall)
    )
    for _ in range(5):
        await _SEEN.ask(sqlite_engine)
    assert len(read) == 1
    now += TRUSTED_S
    for _ in range(5):
        await _SEEN.ask(sqlite_engine)
    assert len(read) == 2
    async with sqlite_engine.begin() as connection:
        await bump(connection)
    for _ in range(5):
        await _SEEN.ask(sqlite_engine)
    assert len(read) == 3


async def test_an_engine_that_is_disposed_of_leaves_no_file_open(sqlite_engine: AsyncEngine) -> None:
    (path,) = [row[2] for row in await _rows(sqlite_engine, "PRAGMA database_list")]
    for _ in range(2):  # it may be used again
        for _ in range(2):
            await _SEEN.ask(sqlite_engine)
        assert path in _open_files()
        await sqlite_engine.dispose()
        assert path not in _open_files()


async def _rows(engine: AsyncEngine, query: str) -> list[Any]:
    async with engine.connect() as connection:
        return list((await connection.execute(text(query))).all())


def _noting(read: list[str], execute: Callable[..., Any]) -> Callable[..., Any]:
    def noted(connection: aiosqlite.Connection, sql: str) -> Any:
        read.append(sql)
        return execute(connection, sql)

    return noted


def _open_files() -> set[str]:
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.add(str(link.readlink()))
    return found


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
