from __future__ import annotations

import asyncio
import shutil
import sqlite3
import stat
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.errors import AuthUnavailable
from auth.storage.schema import bump, generation
from loadtests.rig.tcp_line import TcpLine
from ops.migrations import newest
from ops.migrations.declared import schema
from ops.migrations.upgrade import alembic_config
from ops.storage.database import DatabaseError, database_url, make_engine, open_database
from streamer.config import parse
from tests.fakes.wait import until
from tests.rigs.databases import sqlite_url
from tests.rigs.postgresql import Cluster
from tests.rigs.processes import free_port


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[URL]:
    """Where nothing is yet."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "state" / "streamer.db")
        return
    postgresql: Cluster = request.getfixturevalue("postgresql")
    whole = await asyncpg.connect(postgresql.url().render_as_string(hide_password=False))
    await whole.execute("CREATE DATABASE fresh")
    yield postgresql.url("fresh")
    await whole.execute("DROP DATABASE fresh WITH (FORCE)")
    await whole.close()


@pytest.fixture
async def engine(url: URL) -> AsyncIterator[AsyncEngine]:
    engine = await open_database(url)
    yield engine
    await engine.dispose()


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


class TestWhere:
    def test_a_file_in_the_state_directory(self) -> None:
        url = database_url(parse({"state": {"dir": "/var/lib/streamer"}}))
        assert url.render_as_string() == "sqlite:////var/lib/streamer/streamer.db"

    def test_as_configured(self) -> None:
        configured = "postgresql://streamer:secret@db.example/streamer?sslmode=verify-full"
        url = database_url(parse({"database": {"url": configured}}))
        assert url.render_as_string(hide_password=False) == configured


class TestMigrations:
    async def test_they_make_what_the_code_declares(self, engine: AsyncEngine) -> None:
        def differences(connection: Connection) -> list[object]:
            context = MigrationContext.configure(connection, opts={"compare_server_default": True})
            return list(compare_metadata(context, schema()))

        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []

    async def test_a_new_database_has_a_generation(self, engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            assert await generation(connection) == 0

    async def test_a_second_start_changes_nothing(self, engine: AsyncEngine, url: URL) -> None:
        async with engine.begin() as connection:
            await bump(connection)
        again = await open_database(url)
        async with again.connect() as connection:
            assert await generation(connection) == 1
        await again.dispose()

    async def test_two_processes_start_together(self, url: URL) -> None:
        engines = await asyncio.gather(*(open_database(url) for _ in range(4)))
        async with engines[0].connect() as connection:
            assert await generation(connection) == 0
        for engine in engines:
            await engine.dispose()

    async def test_the_newest_is_known_without_alembic(self, engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            heads = await connection.run_sync(
                lambda sync: ScriptDirectory.from_config(alembic_config(sync)).get_heads()
            )
            assert heads == [newest()]

    async def test_they_can_be_taken_back(self, engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await connection.run_sync(lambda sync: command.downgrade(alembic_config(sync), "base"))
        async with engine.begin() as connection:
            await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))
            assert await generation(connection) == 0

    async def test_a_database_of_a_newer_version_is_left_alone(self, engine: AsyncEngine, url: URL) -> None:
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(DatabaseError, match="newer version of the server wrote it \\(revision 9999\\)"):
            await open_database(url)


class TestTransactions:
    async def test_who_is_cancelled_in_the_middle_of_a_statement_ends(self, engine: AsyncEngine) -> None:
        async def read_for_ever() -> None:
            while True:
                try:
                    async with engine.connect() as connection:
                        await generation(connection)
                except AuthUnavailable:
                    pass

        for turns in range(1, 40):
            reading = asyncio.create_task(read_for_ever())
            for _ in range(turns):
                await asyncio.sleep(0)
            reading.cancel()
            done, _ = await asyncio.wait({reading}, timeout=20)
            assert done
            assert reading.cancelled()
        # The driver's threads of connections that were lost this way end by themselves, a little later.
        await engine.dispose()
        await until(lambda: not [each for each in threading.enumerate() if "_connection_worker" in each.name])

    async def test_who_reads_and_then_writes_waits_for_its_turn(self, engine: AsyncEngine) -> None:
        async def change() -> None:
            async with engine.begin() as connection:
                await bump(connection)
                await generation(connection)

        await asyncio.gather(*(change() for _ in range(30)))
        async with engine.connect() as connection:
            assert await generation(connection) == 30

    async def test_reading_does_not_wait_for_a_writer(self, engine: AsyncEngine) -> None:
        async with engine.begin() as writer:
            await bump(writer)
            async with engine.connect() as reader:
                assert await generation(reader) == 0

    async def test_what_failed_left_nothing(self, engine: AsyncEngine) -> None:
        with pytest.raises(ZeroDivisionError):
            async with engine.begin() as connection:
                await bump(connection)
                raise ZeroDivisionError
        async with engine.connect() as connection:
            assert await generation(connection) == 0

    async def test_references_are_kept(self, engine: AsyncEngine) -> None:
        with pytest.raises(IntegrityError):
            async with engine.begin() as connection:
                await connection.execute(
                    text("INSERT INTO auth_password (principal_id, hash, changed_at) VALUES ('x', 'y', 0)")
                )


class TestSqlite:
    async def test_nobody_else_may_read_it(self, tmp_path: Path) -> None:
        engine = await open_database(sqlite_url(tmp_path / "streamer.db"))
        async with engine.begin() as connection:
            await bump(connection)
            found = modes(tmp_path)
        await engine.dispose()
        assert found == dict.fromkeys(("streamer.db", "streamer.db-wal", "streamer.db-shm"), 0o600)

    async def test_a_folder_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(DatabaseError, match=f"sqlite:///{tmp_path}/file/streamer.db: "):
            await open_database(sqlite_url(tmp_path / "file" / "streamer.db"))

    async def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        (tmp_path / "streamer.db").write_bytes(b"something else entirely " * 100)
        with pytest.raises(DatabaseError, match=r"not a database$"):
            await open_database(sqlite_url(tmp_path / "streamer.db"))

    async def test_that_its_disk_is_full_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "streamer.db").write_bytes(b"something else entirely " * 100)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=4096))
        with pytest.raises(DatabaseError, match="; no room is left on its disk"):
            await open_database(sqlite_url(tmp_path / "streamer.db"))


class TestPostgreSql:
    async def test_one_that_is_not_there(self) -> None:
        url = make_url(f"postgresql://streamer:the-secret@127.0.0.1:{free_port()}/streamer")
        with pytest.raises(DatabaseError, match="does not answer") as caught:
            await open_database(url)
        assert "the-secret" not in str(caught.value)

    async def test_a_wrong_password(self, postgresql: Cluster) -> None:
        with pytest.raises(DatabaseError, match="password authentication failed") as caught:
            await open_database(postgresql.url(password="the-secret"))
        assert "the-secret" not in str(caught.value)

    async def test_one_that_goes_away_while_we_run(self, postgresql: Cluster) -> None:
        engine = make_engine(postgresql.url())
        with pytest.raises(AuthUnavailable):
            async with engine.connect() as connection:
                await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT 1"))).scalar() == 1
        await engine.dispose()

    async def test_one_that_falls_silent_is_not_waited_for(self, postgresql: Cluster) -> None:
        with TcpLine(postgresql.port) as line:
            engine = make_engine(postgresql.url().set(port=line.port))
            async with engine.connect() as one, engine.connect() as other:
                for connection in (one, other):
                    await connection.execute(text("SELECT 1"))
            line.cut()
            async with asyncio.timeout(5):
                await engine.dispose()

    async def test_connections_that_died_meanwhile_are_replaced(self, postgresql: Cluster) -> None:
        engine = make_engine(postgresql.url())
        async with engine.connect() as connection:
            pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        other = await asyncpg.connect(postgresql.url().render_as_string(hide_password=False))
        await other.execute("SELECT pg_terminate_backend($1, 5000)", pid)
        await other.close()
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one() != pid
        await engine.dispose()


async def test_a_connection_whose_task_was_cancelled_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = await open_database(sqlite_url(tmp_path / "slow.db"))
    begun, connect = threading.Event(), sqlite3.connect
    threads: list[threading.Thread] = []

    def slowly(*args: Any, **options: Any) -> sqlite3.Connection:
        threads.append(threading.current_thread())
        begun.set()
        time.sleep(0.3)
        return connect(*args, **options)

    monkeypatch.setattr(sqlite3, "connect", slowly)
    async with engine.connect():  # the pool has no other one
        asking = asyncio.create_task(engine.connect().start())
        await asyncio.to_thread(begun.wait)
        asking.cancel()
        await asyncio.wait({asking})
    await engine.dispose()
    assert threads
    assert not any(thread.is_alive() for thread in threads)


def test_options_of_a_file_are_refused(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "streamer.db").update_query_dict({"mode": "ro"})
    with pytest.raises(DatabaseError, match="expected a file without options, not with mode"):
        make_engine(url)
    assert not (tmp_path / "streamer.db").exists()


async def test_a_file_that_is_taken_away_is_told_of_and_not_mixed_with_another(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "streamer.db"
    engine = await open_database(sqlite_url(path))
    async with engine.begin() as connection:
        await bump(connection)
    path.rename(tmp_path / "away")
    for _ in range(2):
        async with engine.connect() as open_before:
            assert await generation(open_before) == 1
    assert caplog.text.count("was removed or replaced") == 1
    (tmp_path / "away").rename(path)
    async with engine.connect() as open_before:
        assert await generation(open_before) == 1
    assert "is there again" in caplog.text

    for file in [path, *(path.with_name(f"{path.name}-{end}") for end in ("wal", "shm"))]:
        file.unlink()
    other = await open_database(sqlite_url(path))
    async with engine.connect() as open_before:
        assert await generation(open_before) == 1
        with pytest.raises(AuthUnavailable, match="was removed or replaced"):
            async with engine.connect():
                pass
    await other.dispose()
    await engine.dispose()
