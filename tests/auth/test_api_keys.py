from __future__ import annotations

import pytest
from sqlalchemy import select

from auth.api_keys import ApiKeys
from auth.errors import AccountConflict, BadCredentials, NoSuchPrincipal
from auth.tables import api_keys
from tests.auth.rig import People


@pytest.fixture
def keys(people: People) -> ApiKeys:
    return ApiKeys(people.engine, people.accounts, people.freshness, clock=people.clock)


async def test_a_key_says_whose_it_is(people: People, keys: ApiKeys) -> None:
    encoder = await people.service("encoder")
    studio = await people.group("studio", encoder)
    issued = await keys.issue(encoder.id, "studio 1")
    principal = await keys.authenticate(issued.key)
    assert principal.name == "encoder"
    assert principal.groups == {studio.id}
    assert await keys.authenticate(issued.key) is principal


async def test_it_is_neither_kept_nor_shown(people: People, keys: ApiKeys) -> None:
    issued = await keys.issue((await people.service("encoder")).id)
    secret = issued.key.rpartition("_")[2]
    assert secret not in repr(issued)
    async with people.engine.connect() as connection:
        (record,) = (await connection.execute(select(api_keys))).all()
    assert secret not in repr(tuple(record))


async def test_they_are_listed_with_when_they_were_used(people: People, keys: ApiKeys) -> None:
    encoder = await people.service("encoder")
    first = await keys.issue(encoder.id, "first")
    people.clock.advance(10)
    await keys.issue(encoder.id, "second", expires_at=people.clock.now + 5)
    await keys.authenticate(first.key)
    listed = await keys.keys(encoder.id)
    assert [key.label for key in listed] == ["first", "second"]
    assert [key.used_at for key in listed] == [people.clock.now, None]


@pytest.mark.parametrize(
    "wrong",
    ["", "sk", "sk_", "sk__", "sk_x_y", "sk_\udcff_x", "sk_\x00_y", "Bearer x", "sk_é_x", "x" * 10_000],
)
async def test_what_is_no_key(wrong: str, people: People, keys: ApiKeys) -> None:
    with pytest.raises(BadCredentials):
        await keys.authenticate(wrong)


async def test_a_wrong_secret_with_a_right_prefix(people: People, keys: ApiKeys) -> None:
    issued = await keys.issue((await people.service("encoder")).id)
    for wrong in (issued.key[:-1], issued.key + "x", issued.key.swapcase(), f"sk_{issued.prefix}"):
        with pytest.raises(BadCredentials):
            await keys.authenticate(wrong)


async def test_it_ends_when_it_should(people: People, keys: ApiKeys) -> None:
    encoder = await people.service("encoder")
    ending = await keys.issue(encoder.id, expires_at=people.clock.now + 60)
    revoked = await keys.issue(encoder.id)
    kept = await keys.issue(encoder.id)
    for issued in (ending, revoked, kept):
        await keys.authenticate(issued.key)
    people.clock.advance(59.9)
    await keys.authenticate(ending.key)
    people.clock.advance(0.2)
    await keys.revoke(revoked.prefix)
    for gone in (ending, revoked):
        with pytest.raises(BadCredentials):
            await keys.authenticate(gone.key)
    await keys.authenticate(kept.key)
    # By another process on the same database.
    await people.accounts.disable(encoder.id)
    people.clock.advance(0.25)
    with pytest.raises(BadCredentials):
        await keys.authenticate(kept.key)


async def test_people_have_none(people: People, keys: ApiKeys) -> None:
    with pytest.raises(AccountConflict, match="only service accounts"):
        await keys.issue((await people.user("jane")).id)
    with pytest.raises(NoSuchPrincipal):
        await keys.revoke("000000000000")
