"""Opening the database: SQLite in a file or PostgreSQL, brought up to date before anybody uses it.

On SQLite `engine.begin()` takes the write lock at once and `engine.connect()` reads a snapshot without any,
so write in `begin` blocks only: a transaction that reads first and writes later would be refused instead of
waiting its turn. A database that stops answering becomes `AuthUnavailable`, wherever it is noticed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, nullcontext
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakSet

import aiosqlite
import asyncpg
from sqlalchemy import AsyncAdaptedQueuePool, Connection, ExceptionContext, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DatabaseError as DriverError
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

import streamer.recording.keys
import streamer.relay.tables  # noqa: F401 - rewrapped and migrated with the others
from auth.errors import AuthUnavailable
from ops.migrations import newest
from streamer.config import Config
from streamer.errors import StreamerError

_log = logging.getLogger(__name__)

_FILE = "streamer.db"
# A writer waits this long for another one; longer means that something holds the file that should not.
_BUSY_S = 10.0
_AGAIN_S = 0.01
# Less does not do for what SQLite puts beside the file.
_ROOM = 1 << 20
_CONNECT_S = 10.0
_STATEMENT_S = 30.0
# How long PostgreSQL may take to say goodbye; SIGTERM to exit is 5 s in all.
_GOODBYE_S = 0.5
# Taken while migrating, so that two processes that start together do not both do it. Any number would do.
_MIGRATION_LOCK = 0x53_74_72_65_61_6D
_WRITES = "streamer_writes"

Alone: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]


class DatabaseError(StreamerError):
    """The database cannot be opened or brought up to date; says which and why, without its password."""

    def __init__(self, url: URL, why: str) -> None:
        super().__init__(f"database {url.render_as_string(hide_password=True).split('?')[0]}: {why}")


def database_url(config: Config) -> URL:
    """Where the database is: as configured, else a file in the state directory."""
    configured = config.database.url
    if configured is None:
        return URL.create("sqlite", database=str(config.state.dir / _FILE))
    return make_url(configured.get_secret_value())


async def open_database(url: URL, alone: Alone = nullcontext) -> AsyncEngine:
    """Open a database and bring it up to date. The caller disposes of the engine.

    Args:
        url: where it is.
        alone: entered while one that an older version made is brought up to date; may refuse that.

    Raises:
        DatabaseError: it cannot be reached, opened or migrated, or a newer version of the server wrote it.
    """
    engine = make_engine(url)
    try:
        async with engine.begin() as connection:
            await _migrate(connection, url, alone)
    except (AuthUnavailable, DriverError) as error:
        await engine.dispose()
        raise DatabaseError(url, str(getattr(error, "orig", error))) from error
    except BaseException:
        await engine.dispose()
        raise
    return engine


def make_engine(url: URL) -> AsyncEngine:
    """An engine for a database that is up to date; connects when it is first used.

    Raises:
        DatabaseError: the file cannot be made.
    """
    if url.get_backend_name() == "postgresql":
        return _postgresql(url)
    try:
        return _sqlite(url)
    except OSError as error:
        raise DatabaseError(url, error.strerror or str(error)) from error


def _room(file: Path) -> str:
    """What SQLite does not tell, which calls it an I/O error: that the disk is full; "" when it is not."""
    return "; no room is left on its disk" if shutil.disk_usage(file.parent).free < _ROOM else ""


async def _migrate(connection: AsyncConnection, url: URL, alone: Alone) -> None:
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    revision = await _revision(connection)
    if revision == newest():
        return
    # Here, as alembic takes longer to import than all the rest, and there is seldom something to do.
    from ops.migrations.upgrade import NewerDatabase, upgrade

    try:
        async with alone() if revision is not None and revision < newest() else nullcontext():
            await connection.run_sync(upgrade)
    except NewerDatabase as error:
        raise DatabaseError(url, str(error)) from None


async def _revision(connection: AsyncConnection) -> str | None:
    if not await connection.run_sync(lambda sync: inspect(sync).has_table("alembic_version")):
        return None
    revision: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


class _SqliteEngine(AsyncEngine):
    """Marks what `begin` opens as writing; `dispose` waits for its connections' threads.

    What a cancelled task asked for goes on in its thread, which fails if the loop is closed by then. A file
    that is removed or replaced is told of; connections to what comes in its place are refused, as those that
    are open still have the old one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _identity(path)
        self._is_gone = False
        self._threads: WeakSet[threading.Thread] = WeakSet()
        made = create_async_engine(
            "sqlite+aiosqlite://", async_creator=self._connect, poolclass=AsyncAdaptedQueuePool
        )
        super().__init__(made.sync_engine)

    def look(self) -> None:
        """Tell, once, that the file is not there any more."""
        is_gone = _identity(self._path) != self._file
        if is_gone and not self._is_gone:
            _log.error("%s; what changes from now on is lost when it ends", self._gone())
        elif self._is_gone and not is_gone:
            _log.warning("%s is there again", self._path)
        self._is_gone = is_gone

    def _gone(self) -> str:
        return f"{self._path} was removed or replaced, under process {os.getpid()} that has it open"

    def _connect(self) -> aiosqlite.Connection:
        if _identity(self._path) != self._file:
            raise AuthUnavailable(f"the database does not answer: {self._gone()}")
        connection = aiosqlite.connect(self._path, timeout=_BUSY_S)
        connection._thread.daemon = True
        self._threads.add(connection._thread)
        return connection

    async def dispose(self, close: bool = True) -> None:
        await super().dispose(close)
        if close:
            await asyncio.to_thread(self._join)

    def _join(self) -> None:
        deadline = time.monotonic() + _BUSY_S
        for thread in [each for each in self._threads if each.is_alive()]:
            thread.join(max(0.0, deadline - time.monotonic()))

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        async with self.connect() as connection:
            await connection.execution_options(**{_WRITES: True})
            async with connection.begin():
                yield connection


class _PostgresqlEngine(AsyncEngine):
    """`dispose` does not wait for a server that has fallen silent."""

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
        self._connections: WeakSet[asyncpg.Connection] = WeakSet()

        async def kept() -> asyncpg.Connection:
            connection = await connect()
            self._connections.add(connection)
            return connection

        # The ping notices a server that was restarted before a request does.
        made = create_async_engine("postgresql+asyncpg://", async_creator=kept, pool_pre_ping=True)
        super().__init__(made.sync_engine)

    async def dispose(self, close: bool = True) -> None:
        if close:
            goodbyes = [connection.close(timeout=_GOODBYE_S) for connection in self._connections]
            # One that is not answered in time has ended its connection all the same.
            await asyncio.gather(*goodbyes, return_exceptions=True)
        await super().dispose(close)


def _sqlite(url: URL) -> AsyncEngine:
    if url.query:
        raise DatabaseError(url, f"expected a file without options, not with {', '.join(url.query)}")
    path = Path(url.database or _FILE)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Made with its final mode; SQLite gives the same one to the files it puts beside it.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    try:
        _write_ahead(path)
    except sqlite3.Error as error:
        raise DatabaseError(url, f"{error}{_room(path)}") from error
    engine = _SqliteEngine(path)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, record: object) -> None:
        # Python's driver would begin transactions at the first write only; `begin` below does it.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("foreign_keys = ON", f"busy_timeout = {int(_BUSY_S * 1000)}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    @event.listens_for(engine.sync_engine, "checkout")
    def look(connection: Any, record: object, proxy: object) -> None:
        engine.look()

    event.listen(engine.sync_engine, "handle_error", _unavailable)
    return engine


def _identity(path: Path) -> tuple[int, int] | None:
    """Tells one file from another one of its name; None for none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _write_ahead(path: Path) -> None:
    """Give the file its journal, which it keeps.

    Where several processes start together on a new file, SQLite does not wait its turn for this.
    """
    deadline = time.monotonic() + _BUSY_S
    with closing(sqlite3.connect(path, timeout=_BUSY_S)) as connection:
        while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_AGAIN_S)


def _postgresql(url: URL) -> AsyncEngine:
    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)

    async def connect() -> asyncpg.Connection:
        # The whole address goes to asyncpg, which reads it as libpq does: sslmode, sslrootcert, sockets.
        try:
            return await asyncpg.connect(dsn, timeout=_CONNECT_S, command_timeout=_STATEMENT_S)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            why = str(error) or f"nothing came within {_CONNECT_S:g} s"  # as a TimeoutError says nothing
            raise AuthUnavailable(f"the database does not answer: {why}") from error

    engine = _PostgresqlEngine(connect)
    event.listen(engine.sync_engine, "handle_error", _unavailable)
    return engine


def _unavailable(context: ExceptionContext) -> AuthUnavailable | DataError | None:
    error = context.sqlalchemy_exception
    if isinstance(error, DBAPIError) and isinstance(context.original_exception.__cause__, asyncpg.DataError):
        # It answers: there is no room for this in a column. asyncpg's adapter has no class for that.
        return DataError(error.statement, error.params, context.original_exception)
    # asyncpg's adapter has no class of its own for a connection that broke in the middle of a statement.
    gone = isinstance(error, OperationalError | InterfaceError) or type(error) is DBAPIError
    # A task that is cancelled in the middle of a statement loses its connection, and stays cancelled.
    cancelled = not isinstance(context.original_exception, Exception)
    # The ping looks at the driver's own error to decide whether to connect again.
    if cancelled or context.is_pre_ping or not (gone or context.is_disconnect):
        return None
    return AuthUnavailable(f"the database does not answer: {context.original_exception}")
