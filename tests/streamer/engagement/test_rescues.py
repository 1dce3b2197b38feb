"""A machine that another one takes for gone, over both databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from ops.components.cluster import Cluster
from streamer.engagement.checkpoint import KILLED, Copier, Place, recover
from streamer.engagement.collector import Delivery
from streamer.engagement.sketch import Durations, Scores
from streamer.engagement.spool import Spool
from streamer.engagement.store import Store
from streamer.engagement.tables import DAY, HOUR, MINUTE, buckets, sessions, shares
from tests.rigs.processes import free_port
from tests.streamer.engagement.rig import Crowd

VIEWERS = 10


class Machines:
    """One with viewers, and another that may finish what that one began."""

    def __init__(self, engine: AsyncEngine, folder: Path) -> None:
        self.engine = engine
        self.crowd = Crowd("one")
        self.store = Store(engine, clock=lambda: self.crowd.now)
        self._copier = Copier(self.crowd.audience)
        self._delivery = Delivery(Spool(folder / "spool", 1 << 20), self.store)
        self._other = Cluster(f"redis://127.0.0.1:{free_port()}", "two", Crowd("two").audience, self.store)
        self._other._delivery = self._delivery

    def copy(self) -> bytes:
        """As the first machine leaves it with Redis."""
        now = self.crowd.now
        return self._copier.copy(Place("one", "one", self.crowd.batches + 1, int(now) // 60 * 60, now))

    async def take(self) -> None:
        """What the first machine cut off comes to the database."""
        await self.store.take([self.crowd.cut()])

    async def rescue(self, copy: bytes) -> None:
        """The other machine does it."""
        await self._other._rescue(copy)
        await self._delivery._deliver()
        assert not len(self._delivery.spool)

    async def told(self, grain: int) -> dict[str, float]:
        """The sums of all buckets of a grain."""
        async with self.engine.connect() as connection:
            wanted = select(buckets).where(buckets.c.grain == grain, buckets.c.stream == "cam")
            rows = (await connection.execute(wanted)).mappings().all()
        names = ("plays", "ended", "failed", "watch_s", "bytes")
        return {name: sum(row[name] for row in rows) for name in names}

    async def ends(self) -> set[tuple[str, float]]:
        """Why sessions ended, and when."""
        async with self.engine.connect() as connection:
            rows = await connection.execute(select(sessions.c.reason, sessions.c.ended_at))
            return {(row.reason, row.ended_at) for row in rows}

    async def shared(self) -> dict[str, tuple[int, float, int]]:
        """Plays, seconds and viewers by country."""
        async with self.engine.connect() as connection:
            wanted = select(shares).where(shares.c.dimension == "country", shares.c.stream == "cam")
            rows = (await connection.execute(wanted)).mappings().all()
        return {row["value"]: (row["plays"], row["watch_s"], row["viewers"]) for row in rows}


@pytest.fixture
async def machines(either_engine: AsyncEngine, tmp_path: Path) -> Machines:
    machines = Machines(either_engine, tmp_path)
    for number in range(VIEWERS):
        machines.crowd.come(f"v{number}", join_ms=0.0, country="DE" if number % 2 else "FR")
    machines.crowd.now += 10
    await machines.take()
    return machines


async def _go_on(machines: Machines) -> None:
    """Its viewers stay for another twenty minutes, and everything is told in the end."""
    for _ in range(2):
        machines.crowd.now += 600
        await machines.take()
    for number in range(VIEWERS):
        machines.crowd.go(f"v{number}", bytes_sent=1000)
    await machines.take()


async def _assert_told_as_it_was(machines: Machines, watched_s: float) -> None:
    for grain in (MINUTE, HOUR, DAY):
        assert await machines.told(grain) == {
            "plays": VIEWERS, "ended": VIEWERS, "failed": 0,
            "watch_s": pytest.approx(VIEWERS * watched_s), "bytes": VIEWERS * 1000,
        }  # fmt: skip
    each = (VIEWERS // 2, pytest.approx(VIEWERS // 2 * watched_s), VIEWERS // 2)
    assert await machines.shared() == {"DE": each, "FR": each}
    async with machines.engine.connect() as connection:
        watched = await connection.scalars(select(buckets.c.watched).where(buckets.c.grain == DAY))
        assert {Durations.parse(each).total for each in watched} == {VIEWERS}
    assert await machines.ends() == {("the viewer left", machines.crowd.now)}


async def test_who_was_only_out_of_reach_counts_once(machines: Machines) -> None:
    machines.crowd.come("newcomer", country="US")
    machines.crowd.now += 2
    machines.crowd.go("newcomer")
    copy = machines.copy()
    await machines.rescue(copy)
    assert (await machines.told(DAY))["ended"] == VIEWERS + 1
    assert (KILLED, machines.crowd.now) in await machines.ends()
    await _go_on(machines)
    told = await machines.told(DAY)
    assert told["plays"] == told["ended"] == VIEWERS + 1
    assert told["watch_s"] == pytest.approx(VIEWERS * 1212 + 1.95)
    assert (await machines.shared())["US"] == (1, pytest.approx(1.95), 1)


async def test_what_was_told_between_is_taken_off(machines: Machines) -> None:
    machines.crowd.now += 2
    await machines.rescue(machines.copy())
    await _go_on(machines)
    await _assert_told_as_it_was(machines, 1212)


async def test_a_rescue_that_comes_too_late_counts_nothing(machines: Machines) -> None:
    machines.crowd.now += 2
    copy = machines.copy()
    machines.crowd.now += 600
    await machines.take()
    machines.crowd.now += 5
    await machines.take()
    await machines.rescue(copy)
    await machines.rescue(copy)
    assert (await machines.told(DAY))["ended"] == 0
    for number in range(VIEWERS):
        machines.crowd.go(f"v{number}", bytes_sent=1000)
    await machines.take()
    await _assert_told_as_it_was(machines, 617)


async def test_who_is_gone_after_the_batch_that_was_copied_before_has_ended(machines: Machines) -> None:
    machines.crowd.now += 2
    machines.crowd.go("v0", bytes_sent=1000)
    copy = machines.copy()
    machines.crowd.now += 3
    # In it v0 has ended, and others have watched for longer.
    await machines.take()
    await machines.rescue(copy)
    await machines.rescue(copy)
    told = await machines.told(DAY)
    assert (told["plays"], told["ended"], told["failed"]) == (VIEWERS, VIEWERS, 0)
    assert told["watch_s"] == pytest.approx(12 + (VIEWERS - 1) * 15)
    async with machines.engine.connect() as connection:
        rows = (await connection.execute(select(buckets).where(buckets.c.grain == DAY))).all()
    assert {row.stream for row in rows} == {"", "cam"}
    for row in rows:
        assert Durations.parse(row.watched).total == Scores.parse(row.qualities).total == VIEWERS

    # It was only out of reach, and knows better.
    for number in range(1, VIEWERS):
        machines.crowd.go(f"v{number}", bytes_sent=1000)
    await machines.take()
    told = await machines.told(DAY)
    assert (told["ended"], told["watch_s"]) == (VIEWERS, pytest.approx(12 + (VIEWERS - 1) * 15))


async def test_who_is_gone_is_finished(machines: Machines) -> None:
    """Twice, as several do it; then the machine starts again, with the newer copy that it has itself."""
    machines.crowd.now += 2
    copy = machines.copy()
    await machines.rescue(copy)
    await machines.rescue(copy)
    told = await machines.told(DAY)
    assert (told["ended"], told["watch_s"]) == (VIEWERS, pytest.approx(VIEWERS * 12))
    machines.crowd.now += 3
    await machines.store.take([recover(machines.copy())])
    told = await machines.told(DAY)
    assert (told["ended"], told["watch_s"]) == (VIEWERS, pytest.approx(VIEWERS * 15))
    assert await machines.ends() == {(KILLED, machines.crowd.now)}
