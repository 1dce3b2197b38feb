from __future__ import annotations

from sqlalchemy import select

from auth.factors.recovery import CODES
from auth.storage.tables import recovery_codes
from tests.auth.rig import People

DATABASES = ("sqlite",)


async def test_each_code_counts_once(people: People) -> None:
    jane, joan = await people.user("jane"), await people.user("joan")
    codes = await people.recovery.issue(jane.id)
    assert len(set(codes)) == CODES
    assert not await people.recovery.verify(joan.id, codes[0])
    assert await people.recovery.verify(jane.id, codes[0])
    assert not await people.recovery.verify(jane.id, codes[0])
    assert await people.recovery.left(jane.id) == CODES - 1


async def test_however_it_is_typed(people: People) -> None:
    jane = await people.user("jane")
    codes = await people.recovery.issue(jane.id)
    assert await people.recovery.verify(jane.id, codes[0].upper().replace("-", " "))
    assert await people.recovery.verify(jane.id, codes[1].replace("-", ""))
    for wrong in ("", "-", codes[2][:-1], "\udcff"):
        assert not await people.recovery.verify(jane.id, wrong)


async def test_new_ones_replace_the_old(people: People) -> None:
    jane = await people.user("jane")
    old, new = await people.recovery.issue(jane.id), await people.recovery.issue(jane.id)
    assert await people.recovery.left(jane.id) == CODES
    assert not await people.recovery.verify(jane.id, old[0])
    assert await people.recovery.verify(jane.id, new[0])
    await people.recovery.remove(jane.id)
    assert await people.recovery.left(jane.id) == 0


async def test_they_are_kept_as_hashes(people: People) -> None:
    codes = await people.recovery.issue((await people.user("jane")).id)
    async with people.engine.connect() as connection:
        kept = repr((await connection.execute(select(recovery_codes))).all())
    assert not any(code in kept or code.replace("-", "") in kept for code in codes)
