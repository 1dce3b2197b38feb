"""From the audience to the database, with a database that is away and a process that is killed on the way."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.vault.vault import MasterKey, Vault
from streamer.engagement.checkpoint import recover
from streamer.engagement.collector import Collector, Delivery
from streamer.engagement.privacy import Salts
from streamer.engagement.queries import Queries
from streamer.engagement.session import Report
from streamer.engagement.spool import Spool
from streamer.engagement.store import Store
from tests.fakes.wait import until
from tests.streamer.engagement.rig import Crowd


class Machine:
    def __init__(self, folder: Path, engine: AsyncEngine, crowd: Crowd, carrier: object = None) -> None:
        folder.mkdir(exist_ok=True)
        self.store = Store(engine, clock=lambda: crowd.now)
        self.delivery = Delivery(Spool(folder / "spool", 1 << 20), self.store, carrier)  # type: ignore[arg-type]
        salts = Salts(engine, Vault([MasterKey(secrets.token_bytes(32))]))
        self.collector = Collector(crowd.audience, self.delivery, salts, self.store, folder, "node", 10.0)
        self.queries = Queries(engine, crowd.audience, clock=lambda: crowd.now)
        self.delivering = asyncio.create_task(self.delivery.run())

    async def end(self) -> None:
        """As a process that is killed: whatever it was doing."""
        self.delivering.cancel()
        await asyncio.wait({self.delivering})


@pytest.fixture
async def crowd() -> AsyncIterator[Crowd]:
    yield Crowd()


async def test_a_killed_process_loses_nothing(engine: AsyncEngine, tmp_path: Path, crowd: Crowd) -> None:
    since = crowd.now
    machine = Machine(tmp_path / "state", engine, crowd)
    await machine.collector.start()
    crowd.come("a", account="", country="DE")
    crowd.come("b", "other")
    for _ in range(25):
        crowd.now += 1
        crowd.audience.measured(crowd.rows(a={"bytes_sent": 7}, b={"bytes_sent": 11}))
        await machine.collector.beat()
    crowd.audience.reported("node-a", Report(freezes=2))
    crowd.go("b")
    await machine.collector.beat()
    # A process that ends lets go of the database, which a task does not that is cancelled while it writes.
    await machine.delivery.settled(20)
    await machine.end()

    # Nobody said goodbye; another process finds what there is.
    after = Crowd(at=crowd.now + 3600)
    again = Machine(tmp_path / "state", engine, after)
    await again.collector.start()
    await again.delivery.settled(20)
    told = await again.queries.summary("", since, after.now)
    assert (told.numbers["plays"], told.numbers["ended"], told.unique_viewers) == (2, 2, 2)
    assert told.numbers["watch_s"] == pytest.approx(49.9, abs=0.01)
    assert (told.numbers["bytes"], told.numbers["freezes"]) == (18, 2)
    found = {each["id"]: each["reason"] for each in await again.queries.sessions("", since, after.now)}
    assert found == {"node-a": "the server ended without notice", "node-b": "the viewer left"}
    await again.end()


async def test_a_disk_that_takes_nothing_is_told_of_once(
    engine: AsyncEngine, tmp_path: Path, crowd: Crowd, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine(tmp_path / "state", engine, crowd)
    await machine.collector.start()
    # What is written first cannot be.
    (tmp_path / "state" / "audience.tmp").mkdir()
    for _ in range(3):
        await machine.collector.beat()
    assert caplog.text.count("cannot be kept on disk") == 1
    (tmp_path / "state" / "audience.tmp").rmdir()
    for _ in range(2):
        await machine.collector.beat()
    assert caplog.text.count("is kept on disk again") == 1
    await machine.end()


async def test_who_is_asked_about_before_the_process_is_killed_ended_too(
    engine: AsyncEngine, tmp_path: Path, crowd: Crowd
) -> None:
    since = crowd.now
    machine = Machine(tmp_path / "state", engine, crowd)
    await machine.collector.start()
    crowd.come("a")
    crowd.now += 5
    await machine.collector.beat()
    crowd.now += 1
    await machine.collector.settle(20)
    await machine.end()

    again = Machine(tmp_path / "state", engine, crowd)
    await again.collector.start()
    assert await again.delivery.settled(20)
    told = await again.queries.summary("cam", since, crowd.now)
    assert (told.numbers["plays"], told.numbers["ended"]) == (1, 1)
    assert told.numbers["watch_s"] == pytest.approx(5.95)
    assert told.quality is not None
    await again.end()


@pytest.mark.parametrize("by_s", [-7200.0, 40 * 86_400.0])
async def test_a_clock_that_is_set_makes_nobody_watch_for_longer(
    engine: AsyncEngine, tmp_path: Path, crowd: Crowd, by_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine(tmp_path / "state", engine, crowd)
    await machine.collector.start()
    since = min(crowd.now, crowd.now + by_s)
    crowd.come("a")
    crowd.come("left", join_ms=0.0)
    for second in range(30):
        crowd.now += 1
        if second == 9:
            crowd.go("left")
        if second == 10:
            crowd.set_clock(by_s)
        await machine.collector.beat()
    crowd.go("a")
    await machine.collector.flush(linger_s=0.0)
    assert await machine.delivery.settled(20)
    told = await machine.queries.summary("cam", since, max(crowd.now, crowd.now - by_s))
    assert told.numbers["watch_s"] == pytest.approx(29.95 + 10)
    found = {each["id"]: each for each in await machine.queries.sessions("", 0, 2 * crowd.now)}
    assert found["node-a"]["watch_s"] == pytest.approx(29.95)
    assert found["node-a"]["ended_at"] - found["node-a"]["started_at"] == pytest.approx(30)
    assert caplog.text.count("the clock was set") == 1
    await machine.end()


async def test_while_the_carrier_is_away_and_forgets_what_it_took(
    engine: AsyncEngine, tmp_path: Path, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.engagement.collector._RESEND_S", 0.3)

    class Carrier:
        away, forgets = True, True

        async def send(self, batches: Sequence[tuple[str, bytes]]) -> None:
            if self.away:
                raise OSError("away")
            if not self.forgets:
                from streamer.engagement.batch import Batch

                await machine.store.take([Batch.parse(data) for _, data in batches] * 2)

    carrier = Carrier()
    machine = Machine(tmp_path / "state", engine, crowd, carrier)
    crowd.come("a")
    for _ in range(3):
        crowd.now += 5
        await machine.collector.flush()
    await asyncio.sleep(0)
    assert len(machine.delivery.spool) == 3
    carrier.away = False
    await until(lambda: len(machine.delivery._sent) == 3)
    carrier.forgets = False
    assert await machine.delivery.settled(20)
    told = await machine.queries.summary("cam", crowd.now - 60, crowd.now)
    assert told.numbers["plays"] == 1
    assert told.numbers["watch_s"] == pytest.approx(14.95)
    await machine.end()


@pytest.mark.parametrize("data", [b"", b"1\n", b"1\n{}\n", b"x\n", b'1\n{"place": {}}\n', b"2\n{}\n\xff\n"])
def test_what_is_no_copy(data: bytes) -> None:
    with pytest.raises(ValueError, match="expected"):
        recover(data)


async def test_a_batch_that_is_never_taken_keeps_no_other_one_waiting(
    either_engine: AsyncEngine, tmp_path: Path, crowd: Crowd, caplog: pytest.LogCaptureFixture
) -> None:
    since = crowd.now
    machine = Machine(tmp_path / "state", either_engine, crowd)
    crowd.come("spoilt")
    crowd.go("spoilt")
    spoilt = crowd.cut()
    spoilt.sessions[0]["bytes"] = 1 << 63  # one more than a column holds
    await machine.delivery.put(spoilt)
    # By itself it waits: it could be the database's fault.
    await until(lambda: "viewing sessions wait on disk" in caplog.text)
    assert not await machine.delivery.settled(0)

    crowd.come("good")
    crowd.go("good")
    await machine.delivery.put(crowd.cut())
    assert await machine.delivery.settled(20)
    assert f"batch {spoilt.id} of viewing sessions is given up" in caplog.text
    found = await machine.queries.sessions("", since - 1, crowd.now + 1)
    assert [each["id"] for each in found] == ["node-good"]
    await machine.end()
