from __future__ import annotations

from auth.accounts.api_keys import ApiKeys
from auth.accounts.roster import read_roster
from auth.vault.digests import digest
from tests.auth.rig import People


async def test_it_says_what_each_principal_says_itself(people: People) -> None:
    jane, joan, encoder = (
        await people.user("jane"),
        await people.user("joan"),
        await people.service("encoder"),
    )
    a = await people.group("a", jane, encoder)
    b = await people.group("b", a)
    await people.group("c", b, joan)
    await people.accounts.disable(b.id)
    await people.accounts.disable(joan.id)
    async with people.engine.connect() as connection:
        roster = await read_roster(connection, people.clock.now)
        for each in (jane, encoder, a):
            assert roster.principals[each.id] == await people.accounts.principal(
                each.id, connection=connection
            )
    assert len(roster.principals) == 6
    assert roster.disabled == {b.id, joan.id}


async def test_keys_that_count(people: People) -> None:
    encoder = await people.service("encoder")
    keys = ApiKeys(people.engine, people.accounts, clock=people.clock)
    lasting = await keys.issue(encoder.id)
    ending = await keys.issue(encoder.id, expires_at=people.clock.now + 60)
    async with people.engine.connect() as connection:
        both = (await read_roster(connection, people.clock.now)).api_keys
        assert both.keys() == {lasting.prefix, ending.prefix}
        assert (await read_roster(connection, people.clock.now + 60)).api_keys.keys() == {lasting.prefix}
    owner = both[ending.prefix]
    assert (owner.principal_id, owner.expires_at) == (encoder.id, people.clock.now + 60)
    assert owner.hash == digest(ending.key)
