from __future__ import annotations

import pytest
from sqlalchemy import select

from auth.accounts.api_keys import ApiKeys
from auth.errors import AccountConflict, NoSuchPrincipal
from auth.permissions.credentials import ApiKeyCredential, credential_of
from auth.storage.schema import generation
from auth.storage.tables import api_keys
from tests.auth.rig import People


@pytest.fixture
def keys(people: People) -> ApiKeys:
    return ApiKeys(people.engine, people.accounts, clock=people.clock)


async def test_it_is_neither_kept_nor_shown(people: People, keys: ApiKeys) -> None:
    issued = await keys.issue((await people.service("encoder")).id)
    assert credential_of(issued.key) == ApiKeyCredential(issued.key)
    secret = issued.key.partition(f"{issued.prefix}_")[2]
    assert len(secret) == 43
    assert secret not in repr(issued)
    async with people.engine.connect() as connection:
        (record,) = (await connection.execute(select(api_keys))).all()
    assert secret not in repr(tuple(record))


async def test_they_are_listed_with_when_they_were_used(people: People, keys: ApiKeys) -> None:
    encoder = await people.service("encoder")
    first = await keys.issue(encoder.id, "first")
    people.clock.advance(10)
    await keys.issue(encoder.id, "second", expires_at=people.clock.now + 5)
    await keys.note_used({first.prefix: people.clock.now, "revoked meanwhile": 1.0})
    listed = await keys.keys(encoder.id)
    assert [key.label for key in listed] == ["first", "second"]
    assert [key.used_at for key in listed] == [people.clock.now, None]


async def test_others_are_told_of_a_change(people: People, keys: ApiKeys) -> None:
    async def number() -> int:
        async with people.engine.connect() as connection:
            return await generation(connection)

    encoder = await people.service("encoder")
    seen = [await number()]
    issued = await keys.issue(encoder.id)
    seen.append(await number())
    await keys.revoke(issued.prefix)
    seen.append(await number())
    assert seen == sorted(set(seen))
    assert await keys.keys(encoder.id) == []


async def test_people_have_none(people: People, keys: ApiKeys) -> None:
    with pytest.raises(AccountConflict, match="only service accounts"):
        await keys.issue((await people.user("jane")).id)
    with pytest.raises(NoSuchPrincipal):
        await keys.revoke("000000000000")
