from __future__ import annotations

from auth.accounts.api_keys import ApiKeys
from auth.accounts.roll import Particulars, particulars, particulars_of
from tests.auth.rig import HOME, PASSWORD, People


async def test_what_administrators_see_of_accounts(people: People) -> None:
    anna, berta = await people.user("anna", PASSWORD), await people.user("berta")
    encoder = await people.service("encoder")
    crew = await people.group("crew", anna)
    await people.with_app(anna)
    await people.with_passkey(anna)
    for _ in range(2):
        await people.sessions.open(anna.id, HOME, method="password", with_factor=True)
    keys = ApiKeys(people.engine, people.accounts, clock=people.clock)
    await keys.issue(encoder.id)
    await keys.issue(encoder.id, expires_at=people.clock() + 10)
    async with people.engine.connect() as connection:
        now = people.clock()
        found = await particulars(connection, now)
        assert found[anna.id] == Particulars(True, {"totp", "passkey"}, sessions=2, groups={crew.id})
        assert found[encoder.id].keys == 2
        assert berta.id not in found
        assert await particulars_of(connection, berta.id, now) == Particulars()
        assert await particulars_of(connection, anna.id, now) == found[anna.id]
        later = await particulars_of(connection, encoder.id, now + 10)
        assert later.keys == 1
