"""One row that is asked for several times a second, and seldom changes, without work while it does not.

aiosqlite goes to its thread and back for each step that SQLAlchemy takes for a row; each wakes two threads. A
row is therefore read in one step, and only if something was committed since.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, Select, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

#: Without a commit a row is read again after so long: that the file cannot be read any more is noticed then.
TRUSTED_S: Final = 5.0


class OneRow:
    """A query whose result is one row of numbers and text: what SQLite gives, unconverted, is taken as it is.

    Args:
        query: with no parameters but constants.
    """

    def __init__(self, query: Select[Any]) -> None:
        self._query = query
        self._text = str(query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))

    async def ask(self, engine: AsyncEngine) -> tuple[Any, ...]:
        """The row as it is now, in no transaction.

        Raises:
            SQLAlchemyError, AuthUnavailable: the database does not answer.
        """
        watch = _watches.get(engine.sync_engine)
        # As of before the row is read: what is committed while it is may not be in it.
        version, now = watch.version() if watch is not None else None, time.monotonic()
        if watch is not None and version is not None:
            known_version, read_at, row = watch.rows.get(self, _NEVER)
            if known_version == version and now - read_at < TRUSTED_S:
                return row
        row = await self._read(engine)
        if watch is not None and version is not None:
            watch.rows[self] = version, now, row
        return row

    async def _read(self, engine: AsyncEngine) -> tuple[Any, ...]:
        async with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                driver = (await connection.get_raw_connection()).driver_connection
                assert driver is not None
                with suppress(sqlite3.Error):  # the other way says it in the right words
                    if engine.sync_engine not in _watches:
                        databases = await driver.execute_fetchall("PRAGMA database_list")
                        _watch(engine.sync_engine, list(databases))
                    rows = list(await driver.execute_fetchall(self._text))
                    if len(rows) == 1:
                        return tuple(rows[0])
            return tuple((await connection.execute(self._query)).one())


class _Watch:
    """A connection that only tells whether something was committed, in microseconds and without a thread.

    Attributes:
        rows: what was read, for which version and when.
    """

    def __init__(self, path: str) -> None:
        # Makes no file where there is none any more, and has no patience: the row is read instead.
        address = f"{Path(path).as_uri()}?mode=rw"
        self._connection = sqlite3.connect(address, timeout=0.0, check_same_thread=False, uri=True)
        self.rows: dict[OneRow, tuple[int, float, tuple[Any, ...]]] = {}

    def version(self) -> int | None:
        """Another number after each commit by whomever; None while it cannot be told."""
        with suppress(sqlite3.Error):
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        return None

    def close(self) -> None:
        self._connection.close()


_NEVER: tuple[int, float, tuple[Any, ...]] = (-1, 0.0, ())
#: None for a database in memory, which is nobody else's.
_watches: WeakKeyDictionary[Engine, _Watch | None] = WeakKeyDictionary()


def _watch(engine: Engine, databases: list[Any]) -> None:
    path = next((path for _, name, path in databases if name == "main"), "")
    _watches[engine] = _Watch(path) if path else None
    event.listen(engine, "engine_disposed", _forget)


def _forget(engine: Engine) -> None:
    watch = _watches.pop(engine, None)
    if watch is not None:
        watch.close()
