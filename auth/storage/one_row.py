"""One row that is asked for several times a second, in one step instead of eight.

aiosqlite goes to its thread and back for each step that SQLAlchemy takes for a row; each wakes two threads.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import Any

from sqlalchemy import Select
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncEngine


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
        async with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                driver = (await connection.get_raw_connection()).driver_connection
                assert driver is not None
                with suppress(sqlite3.Error):  # the other way says it in the right words
                    rows = list(await driver.execute_fetchall(self._text))
                    if len(rows) == 1:
                        return tuple(rows[0])
            return tuple((await connection.execute(self._query)).one())
