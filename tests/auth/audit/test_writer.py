from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.audit.entries import Event, audit_head, audit_log
from auth.audit.reader import verify
from auth.audit.writer import LOST, AuditLog
from auth.errors import AuthUnavailable
from auth.storage.schema import metadata
from tests.auth.audit.test_entries import entries
from tests.auth.ground import Clock, database, vault
from tests.fakes.wait import until

_TABLES = [audit_log, audit_head]


@asynccontextmanager
async def running(engine: AsyncEngine, max_queued: int = 10_000) -> AsyncIterator[AuditLog]:
    log = AuditLog(engine, vault(), max_queued, Clock())
    task = asyncio.create_task(log.run())
    try:
        yield log
        await log.close()
        await task
    finally:
        task.cancel()


async def drop_tables(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: metadata.drop_all(sync, tables=_TABLES))


async def make_tables(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: metadata.create_all(sync, tables=_TABLES))


async def test_what_is_recorded_is_written_when_it_returns(tmp_path: Path) -> None:
    async with database(tmp_path) as engine, running(engine) as log:
        await log.record(Event("ann", "login"))
        assert [row["who"] for row in await entries(engine)] == ["ann"]


async def test_order_is_kept_and_closing_writes_the_rest(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        async with running(engine) as log:
            for number in range(1000):
                await log.put(Event("ann", "login", str(number)))
        assert [row["target"] for row in await entries(engine)] == [str(number) for number in range(1000)]
        assert (await verify(engine, vault())).is_whole


async def test_threads(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        async with running(engine) as log:

            def note(name: str) -> None:
                for number in range(200):
                    assert log.note(Event(name, "login", str(number)))

            threads = [threading.Thread(target=note, args=(name,)) for name in "ab"]
            for thread in threads:
                thread.start()
            await asyncio.to_thread(lambda: [thread.join() for thread in threads])
        rows = await entries(engine)
        for name in "ab":
            assert [row["target"] for row in rows if row["who"] == name] == [str(n) for n in range(200)]


async def test_who_can_wait_waits_for_room(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        log = AuditLog(engine, vault(), max_queued=5, clock=Clock())
        putting = [asyncio.create_task(log.put(Event("ann", "login", str(number)))) for number in range(12)]
        await until(lambda: sum(task.done() for task in putting) == 5)
        task = asyncio.create_task(log.run())
        await asyncio.gather(*putting)
        await log.close()
        await task
        assert sorted(int(row["target"]) for row in await entries(engine)) == list(range(12))
        assert log.lost == 0


async def test_what_found_no_room_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with database(tmp_path) as engine:
        log = AuditLog(engine, vault(), max_queued=3, clock=Clock())
        assert [log.note(Event("ann", "login", str(number))) for number in range(5)] == [True] * 3 + [
            False
        ] * 2
        assert caplog.text.count("has no room for: login") == 2
        assert log.lost == 2
        task = asyncio.create_task(log.run())
        await log.record(Event("ann", "logout"))
        await log.close()
        await task
        rows = await entries(engine)
        assert [row["what"] for row in rows] == ["login", "login", "login", LOST, "logout"]
        assert rows[3]["details"] == '{"count":2}'


async def test_while_the_database_does_not_answer_nothing_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with database(tmp_path) as engine, running(engine) as log:
        await drop_tables(engine)
        waiting = asyncio.create_task(log.record(Event("ann", "login", "1")))
        await until(lambda: "cannot be written" in caplog.text)
        log.note(Event("ann", "login", "2"))
        assert not waiting.done()
        await make_tables(engine)
        await waiting
        await log.record(Event("ann", "login", "3"))
        assert [row["target"] for row in await entries(engine)] == ["1", "2", "3"]
        assert (await verify(engine, vault())).is_whole


@pytest.mark.parametrize("max_queued", [1, 10])
async def test_who_waits_for_the_database_is_told_before_he_gives_up(tmp_path: Path, max_queued: int) -> None:
    async with database(tmp_path) as engine:
        await drop_tables(engine)
        log = AuditLog(engine, vault(), max_queued, Clock(), patience_s=0.2)
        task = asyncio.create_task(log.run())
        async with asyncio.timeout(10):
            for number in range(2):
                with pytest.raises(AuthUnavailable, match="audit log"):
                    await log.record(Event("ann", "viewer.list", str(number)))
        await make_tables(engine)
        await log.close()
        await task
        assert [row["target"] for row in await entries(engine)] == ["0", "1"][:max_queued]


@pytest.mark.parametrize("known", [False, True])
async def test_what_is_entrusted_waits_for_the_database_and_nobody_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, known: bool
) -> None:
    async with database(tmp_path) as engine, running(engine, max_queued=2) as log:
        await drop_tables(engine)
        if known:
            log.note(Event("ann", "login", "0"))
            await until(lambda: "cannot be written" in caplog.text)
        await log.entrust(Event("ann", "viewer.list", "1"))
        await make_tables(engine)
        await log.record(Event("ann", "login", "2"))
        assert [row["target"] for row in await entries(engine)] == ["0", "1", "2"][not known :]
        assert (await verify(engine, vault())).is_whole


async def test_what_is_entrusted_is_written_when_it_returns(tmp_path: Path) -> None:
    async with database(tmp_path) as engine, running(engine) as log:
        await log.entrust(Event("ann", "viewer.list"))
        assert [row["who"] for row in await entries(engine)] == ["ann"]


async def test_what_is_entrusted_needs_room(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        log = AuditLog(engine, vault(), 1, Clock(), patience_s=0.05)
        log.note(Event("ann", "login"))
        with pytest.raises(AuthUnavailable, match="audit log"):
            await log.entrust(Event("ann", "viewer.list"))


async def test_that_it_cannot_be_written_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with database(tmp_path) as engine, running(engine) as log:
        tries = 0

        def count(_: object) -> None:
            nonlocal tries
            tries += 1

        event.listen(engine.sync_engine, "begin", count)
        await drop_tables(engine)
        tries = 0
        log.note(Event("ann", "login"))
        await until(lambda: tries >= 3)
        assert caplog.text.count("cannot be written") == 1
        await make_tables(engine)
        await log.record(Event("ann", "logout"))
        assert caplog.text.count("cannot be written") == 1
        assert caplog.text.count("is written again; 2 entries had to wait") == 1


async def test_a_server_that_cannot_wait_any_longer_says_what_is_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with database(tmp_path) as engine:
        log = AuditLog(engine, vault(), clock=Clock())
        waiting = asyncio.create_task(log.record(Event("ann", "login", "cam")))
        await until(lambda: log.queued == 1)
        with caplog.at_level(logging.ERROR):
            assert log.give_up() == 1
        assert "not in the audit log: login by 'ann' on 'cam'" in caplog.text
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_who_gives_up_waiting_does_not_stop_the_writer(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        log = AuditLog(engine, vault(), clock=Clock())
        waiting = asyncio.create_task(log.record(Event("ann", "login")))
        await until(lambda: log.queued == 1)
        waiting.cancel()
        task = asyncio.create_task(log.run())
        await log.record(Event("bob", "login"))
        await log.close()
        await task
        assert [row["who"] for row in await entries(engine)] == ["ann", "bob"]
