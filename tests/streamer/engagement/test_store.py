from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from streamer.engagement.batch import Batch
from streamer.engagement.checkpoint import Copier, Place
from streamer.engagement.presence import Present, present_in
from streamer.engagement.queries import Queries
from streamer.engagement.session import Arrival
from streamer.engagement.store import Retention, Store
from streamer.engagement.tables import buckets, sessions
from tests.streamer.engagement.rig import Crowd


async def test_an_audience_is_told_as_it_was(either_engine: AsyncEngine) -> None:
    crowd = Crowd()
    start = crowd.now
    store = Store(either_engine, clock=lambda: crowd.now)
    queries = Queries(either_engine, crowd.audience, clock=lambda: crowd.now)
    for index in range(10):
        crowd.come(f"v{index}", join_ms=100.0 + index)
    for minute in range(1, 11):
        crowd.now = start + minute * 60 - 1
        await store.take([crowd.cut()])
        crowd.now = start + minute * 60
        crowd.go(f"v{minute - 1}", bytes_sent=1000 * minute, packets_sent=100, video_lost=10)
    crowd.now += 1
    await store.take([crowd.cut()])
    told = await queries.summary("cam", start, crowd.now)
    assert told.numbers["plays"] == told.numbers["ended"] == told.peak == told.unique_viewers == 10
    assert told.numbers["watch_s"] == pytest.approx(sum(range(60, 601, 60)) - 1.045, abs=0.01)
    assert told.numbers["bytes"] == sum(1000 * minute for minute in range(1, 11))
    assert told.starts_ms[50] == pytest.approx(104, rel=0.01)
    # Half of the packets that a fifth of which being lost makes worthless.
    assert told.quality == pytest.approx(50, abs=0.1)
    shares = {point.seconds: point.share for point in told.retention}
    assert [shares[seconds] for seconds in (0, 30, 90, 300)] == [
        pytest.approx(value) for value in (1.0, 1.0, 0.9, 0.5)
    ]
    everything = await queries.summary("", start, crowd.now)
    assert everything.numbers == told.numbers
    series = await queries.series("cam", start, crowd.now)
    assert [moment.peak for moment in series.moments] == [10, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert sum(moment.viewers for moment in series.moments) * 60 == pytest.approx(told.numbers["watch_s"])
    (total,) = await queries.streams(start, crowd.now)
    assert (total["stream"], total["plays"], total["peak"]) == ("cam", 10, 10)


async def test_what_comes_twice_counts_once(either_engine: AsyncEngine) -> None:
    crowd = Crowd()
    store = Store(either_engine, clock=lambda: crowd.now)
    crowd.come("one")
    crowd.now += 5
    crowd.go("one")
    batch = crowd.cut()
    await store.take([batch, batch])
    await store.take([Batch.parse(batch.serialize())])
    async with either_engine.connect() as connection:
        assert (await connection.execute(select(func.count()).select_from(sessions))).scalar() == 1
        assert set((await connection.execute(select(buckets.c.plays))).scalars()) == {1}
    assert await store.taken([batch.id, "another"]) == {batch.id}


async def test_machines_add_up(engine: AsyncEngine) -> None:
    crowds = [Crowd(f"node{index}") for index in range(3)]
    store = Store(engine, clock=lambda: crowds[0].now)
    start = crowds[0].now
    for place, crowd in enumerate(crowds):
        for index in range(4):
            # Everybody also watches on the next machine.
            crowd.come(f"v{index}", viewer=f"{(4 * place + index) % 8:016x}{0:016x}")
        crowd.now += 30
    await store.take([crowd.cut() for crowd in crowds])
    queries = Queries(engine, Crowd().audience, clock=lambda: start + 30)
    told = await queries.summary("cam", start - 86_400, start + 86_400)
    assert (told.numbers["plays"], told.peak, told.unique_viewers) == (12, 12, 8)
    for since_s in (60, 86_400):
        (total,) = await queries.streams(start - since_s, start + 30)
        assert (total["plays"], total["peak"]) == (12, 12)


async def test_who_still_watches_on_another_machine_is_told_of(engine: AsyncEngine) -> None:
    here, there = Crowd("here"), Crowd("there")
    start = here.now
    for number in range(4):
        here.come(f"v{number}", viewer=f"{number:032x}")
        # Who watches on both machines is one viewer.
        there.come(f"v{number}", viewer=f"{number + 3:032x}")
    there.come("untracked", viewer="")
    there.come("hall", "hall")
    there.audience.arrive(Arrival("waits", "cam", start, "whep", viewer="9" * 32), 99)
    here.now = there.now = start + 50
    there.go("v1")
    there.now += 50
    here.now += 50
    copy = Copier(there.audience).copy(Place("there", "boot", 1, int(start), there.now))

    async def elsewhere() -> list[Present]:
        return present_in(copy)

    await Store(engine, clock=lambda: here.now).take([here.cut(), there.cut(linger_s=60)])
    queries = Queries(engine, here.audience, clock=lambda: here.now, elsewhere=elsewhere)
    told = await queries.summary("cam", start, here.now)
    assert (told.numbers["plays"], told.unique_viewers) == (9, 7)
    shares = {point.seconds: point.share for point in told.retention}
    assert shares[90] == 1.0
    assert (await queries.summary("cam", start + 60, here.now)).unique_viewers == 6
    assert (await queries.summary("hall", start, here.now)).unique_viewers == 1
    assert (await queries.summary("", start, here.now)).unique_viewers == 8
    assert (await queries.summary("cam", start - 60, start - 10)).unique_viewers == 0


@pytest.mark.parametrize("spoilt", [b"", b"x", b"2\n{}\n", b"2\n{}\n{}\n", b"1\n{}\nrows"])
def test_what_is_no_copy(spoilt: bytes) -> None:
    with pytest.raises(ValueError, match="expected a copy"):
        present_in(spoilt)


async def test_old_things_go(engine: AsyncEngine) -> None:
    crowd = Crowd()
    store = Store(engine, Retention(sessions_s=100, minutes_s=200, hours_s=10_000), lambda: crowd.now)
    crowd.come("one")
    crowd.now += 5
    crowd.go("one")
    await store.take([crowd.cut()])
    grains = select(buckets.c.grain).where(buckets.c.stream == "cam").order_by(buckets.c.grain)
    for passed_s, kept_sessions, kept_grains in ((50, 1, [0, 1, 2]), (160, 0, [1, 2]), (20_000, 0, [2])):
        crowd.now += passed_s
        await store.expire()
        async with engine.connect() as connection:
            assert (await connection.execute(select(func.count()).select_from(sessions))).scalar() == (
                kept_sessions
            )
            assert list((await connection.execute(grains)).scalars()) == kept_grains


async def test_a_session_of_an_account_that_is_no_more_is_nobodys(engine: AsyncEngine) -> None:
    crowd = Crowd()
    crowd.come("one", account="0" * 32)
    crowd.come("two")
    crowd.now += 5
    crowd.go("one")
    crowd.go("two")
    batch = crowd.cut()
    await Store(engine).take([replace(batch, id="x")])
    async with engine.connect() as connection:
        assert list((await connection.execute(select(sessions.c.id))).scalars()) == ["node-two"]
