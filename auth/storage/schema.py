"""The database's common ground: one metadata for every table, and the generation that tells of changes.

Each part of `auth` declares its tables beside its code, on `metadata`. Whoever changes who may do what
calls `bump` in the same transaction, so that other processes on the database (a server, the command line)
see by one cheap query that they must look again.
"""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, Table, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.storage.one_row import OneRow

#: Constraints have names, so that migrations can change them on every database.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: One row with id 1, made by the first migration.
generations = Table(
    "auth_generation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
)

_PRESENT = select(generations.c.number)
_GLANCE = OneRow(_PRESENT)


async def bump(connection: AsyncConnection) -> None:
    """Tell everybody on this database that principals, grants or tokens changed."""
    await connection.execute(update(generations).values(number=generations.c.number + 1))


async def generation(connection: AsyncConnection) -> int:
    """The present generation; another number than before means to read again."""
    return int((await connection.execute(_PRESENT)).scalar_one())


async def glance(engine: AsyncEngine) -> int:
    """The present generation, in no transaction: for who asks several times a second.

    Raises:
        SQLAlchemyError, AuthUnavailable: the database does not answer.
    """
    (number,) = await _GLANCE.ask(engine)
    return int(number)
