from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from streamer.engagement.decisions import LATE_S, decide_past
from streamer.engagement.disclosure import Disclosure
from streamer.engagement.store import Store
from streamer.engagement.tables import shares
from tests.streamer.engagement.rig import MIDNIGHT, Crowd

DAY_S = 86_400


async def watched(engine: AsyncEngine, crowd: Crowd, day: int, countries: str) -> None:
    crowd.now = MIDNIGHT + day * DAY_S + 3600
    names = [f"{day}-{index}" for index in range(len(countries) // 2)]
    for index, name in enumerate(names):
        crowd.come(name, country=countries[2 * index : 2 * index + 2])
    crowd.now += 60
    for name in names:
        crowd.go(name)
    await Store(engine, clock=lambda: crowd.now).take([crowd.cut()])


async def kept(engine: AsyncEngine, dimension: str = "country") -> dict[tuple[int, str], int]:
    async with engine.connect() as connection:
        wanted = select(shares).where(shares.c.stream == "cam", shares.c.dimension == dimension)
        rows = await connection.execute(wanted)
        return {((row.day - int(MIDNIGHT)) // DAY_S, row.value): row.told for row in rows}


async def test_decided_once_the_day_is_over_and_summed_from_then_on(either_engine: AsyncEngine) -> None:
    crowd = Crowd()
    await watched(either_engine, crowd, 0, "DE" * 7 + "FR" * 6 + "IS")
    await watched(either_engine, crowd, 1, "DE" * 5 + "FR" * 5)
    disclosure = Disclosure(either_engine, 5, lambda: crowd.now)

    async def told() -> tuple[dict[str, tuple[int, int]], bool]:
        found = await disclosure.breakdown("cam", "country", MIDNIGHT, MIDNIGHT + 2 * DAY_S)
        return {part.value: (part.plays, part.viewers) for part in found.parts}, found.withheld

    before = await told()
    assert before == ({"DE": (12, 12), "FR": (5, 5)}, True)
    # The first day was over when that was asked.
    assert await kept(either_engine) == {
        (0, "DE"): 5, (0, "FR"): -5, (0, "IS"): -5, (1, "DE"): 0, (1, "FR"): 0,
    }  # fmt: skip
    crowd.now = MIDNIGHT + 2 * DAY_S + LATE_S - 1
    while await decide_past(either_engine, crowd.now, 5):
        pass
    assert (await kept(either_engine))[1, "DE"] == 0
    crowd.now += 1
    while await decide_past(either_engine, crowd.now, 5):
        pass
    assert set((await kept(either_engine)).values()) == {5, -5}
    assert set((await kept(either_engine, "device")).values()) == {5}
    assert await told() == before


async def test_another_threshold_decides_anew(engine: AsyncEngine) -> None:
    crowd = Crowd()
    await watched(engine, crowd, 0, "DE" * 7 + "FR" * 6)
    crowd.now = MIDNIGHT + 2 * DAY_S
    for threshold, shown in ((5, ["DE", "FR"]), (7, []), (6, ["DE", "FR"])):
        disclosure = Disclosure(engine, threshold, lambda: crowd.now)
        found = await disclosure.breakdown("cam", "country", MIDNIGHT, MIDNIGHT + DAY_S)
        assert [part.value for part in found.parts] == shown
        assert {abs(told) for told in (await kept(engine)).values()} == {threshold}


async def test_what_comes_later_all_the_same_is_decided_with_the_rest(engine: AsyncEngine) -> None:
    crowd = Crowd()
    await watched(engine, crowd, 0, "DE" * 7 + "FR" * 6)
    now = MIDNIGHT + 2 * DAY_S
    disclosure = Disclosure(engine, 5, lambda: now)
    await disclosure.breakdown("cam", "country", MIDNIGHT, MIDNIGHT + DAY_S)
    await watched(engine, crowd, 0, "IS")
    found = await disclosure.breakdown("cam", "country", MIDNIGHT, MIDNIGHT + DAY_S)
    assert ([part.value for part in found.parts], found.withheld) == (["DE"], True)


async def test_the_sum_comes_out_of_what_is_kept(engine: AsyncEngine) -> None:
    crowd = Crowd()
    await watched(engine, crowd, 0, "DE" * 7 + "FR" * 6)
    crowd.now = MIDNIGHT + 2 * DAY_S
    disclosure = Disclosure(engine, 5, lambda: crowd.now)
    await disclosure.breakdown("cam", "country", MIDNIGHT, MIDNIGHT + DAY_S)
    async with engine.begin() as connection:
        await connection.execute(update(shares).where(shares.c.value == "FR").values(told=-5))
    found = await disclosure.breakdown("cam", "country", MIDNIGHT, MIDNIGHT + DAY_S)
    assert ([part.value for part in found.parts], found.withheld) == (["DE"], True)
