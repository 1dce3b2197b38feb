from __future__ import annotations

import pytest

from auth.accounts.invitations import VALID_S, Invitations
from auth.errors import AccountConflict, PasswordRefused, TokenExpired, TokenInvalid
from tests.auth.rig import HOME, PASSWORD, People

OTHER = "noch ein Pferd im Stall"


@pytest.fixture
def invitations(people: People) -> Invitations:
    return Invitations(people.engine, people.accounts, people.passwords, clock=people.clock)


async def test_with_a_link_a_password_is_chosen_once(people: People, invitations: Invitations) -> None:
    anna = await people.user("anna", PASSWORD)
    session = await people.sessions.open(anna.id, HOME, method="password", with_factor=False)
    made = await invitations.issue(anna.id)
    assert made.token not in repr(made)
    assert (await invitations.look(made.token)).name == "anna"
    # Until it is used nothing changes, and what will not do does not use it up.
    assert await people.passwords.verify(anna.id, PASSWORD)
    with pytest.raises(PasswordRefused):
        await invitations.redeem(made.token, "short")
    await invitations.redeem(made.token, OTHER)
    assert await people.passwords.verify(anna.id, OTHER)
    assert not await people.passwords.verify(anna.id, PASSWORD)
    people.clock.advance(1)
    with pytest.raises(TokenInvalid):
        await people.sessions.authenticate(session.cookie)
    for again in (invitations.look(made.token), invitations.redeem(made.token, PASSWORD)):
        with pytest.raises(TokenInvalid, match="was used"):
            await again


async def test_second_factors_go_only_when_it_says_so(people: People, invitations: Invitations) -> None:
    anna = await people.user("anna", PASSWORD)
    await people.with_app(anna)
    await people.with_passkey(anna)
    for forget in (False, True):
        made = await invitations.issue(anna.id, forget_factors=forget)
        assert (await invitations.redeem(made.token, OTHER)).forget_factors is forget
        assert bool(await people.factors.enrolled(anna.id)) is not forget


async def test_only_the_last_link_counts_and_not_for_ever(people: People, invitations: Invitations) -> None:
    anna = await people.user("anna")
    first, second = await invitations.issue(anna.id), await invitations.issue(anna.id)
    with pytest.raises(TokenInvalid):
        await invitations.look(first.token)
    people.clock.advance(VALID_S - 1)
    await invitations.look(second.token)
    people.clock.advance(1)
    with pytest.raises(TokenExpired):
        await invitations.redeem(second.token, PASSWORD)


async def test_who_gets_none(people: People, invitations: Invitations) -> None:
    with pytest.raises(AccountConflict, match="only users"):
        await invitations.issue((await people.service("encoder")).id)
    anna = await people.user("anna")
    made = await invitations.issue(anna.id)
    await people.user("boss")
    await people.accounts.disable(anna.id)
    with pytest.raises(TokenInvalid):
        await invitations.look(made.token)
    with pytest.raises(AccountConflict, match="disabled"):
        await invitations.issue(anna.id)
    await people.accounts.delete(anna.id)
    with pytest.raises(TokenInvalid):
        await invitations.look(made.token)
