from __future__ import annotations

import asyncio

import pytest

from auth.accounts.setup import VALID_S, Setup
from auth.errors import AccountConflict, PasswordRefused, TokenExpired, TokenInvalid
from auth.permissions.principals import Kind
from tests.auth.rig import PASSWORD, People

DATABASES = ("sqlite",)


@pytest.fixture
def setup(people: People) -> Setup:
    return Setup(
        people.engine,
        people.accounts,
        people.passwords,
        has_administrator=people.rulers.anybody,
        promote=people.rulers.promote,
        clock=people.clock,
    )


async def issued(setup: Setup) -> str:
    token = await setup.issue()
    assert token is not None
    return token


async def test_the_first_administrator(people: People, setup: Setup) -> None:
    token = await issued(setup)
    await setup.check(token)
    boss = await setup.redeem(token, "Boss", PASSWORD)
    assert people.rulers.granted == {boss.id}
    assert await people.passwords.verify(boss.id, PASSWORD)
    for refused in (setup.check(token), setup.redeem(token, "Other", PASSWORD)):
        with pytest.raises(TokenInvalid):
            await refused
    assert await setup.issue() is None
    assert [account.name for account in await people.accounts.everybody(Kind.USER)] == ["Boss"]


async def test_each_start_prints_another_and_the_one_before_is_over(setup: Setup) -> None:
    first, second = await issued(setup), await issued(setup)
    assert first != second
    with pytest.raises(TokenInvalid):
        await setup.check(first)
    await setup.check(second)


@pytest.mark.parametrize("wrong", ["", "x", "\udcff", "a" * 10_000])
async def test_what_was_never_printed(wrong: str, people: People, setup: Setup) -> None:
    for _ in range(2):
        with pytest.raises(TokenInvalid):
            await setup.redeem(wrong, "Boss", PASSWORD)
        await issued(setup)
    assert people.passwords.computed == 0


async def test_it_expires(people: People, setup: Setup) -> None:
    token = await issued(setup)
    people.clock.advance(VALID_S)
    with pytest.raises(TokenExpired):
        await setup.redeem(token, "Boss", PASSWORD)
    await setup.redeem(await issued(setup), "Boss", PASSWORD)


async def test_a_mistake_does_not_use_it_up(people: People, setup: Setup) -> None:
    await people.service("encoder")
    token = await issued(setup)
    with pytest.raises(PasswordRefused):
        await setup.redeem(token, "Boss", "short")
    with pytest.raises(AccountConflict, match="taken"):
        await setup.redeem(token, "encoder", PASSWORD)
    assert people.rulers.granted == set()
    await setup.redeem(token, "Boss", PASSWORD)


async def test_of_two_at_once_one_is_first(people: People, setup: Setup) -> None:
    token = await issued(setup)
    results = await asyncio.gather(
        *(setup.redeem(token, name, PASSWORD) for name in ("one", "two")), return_exceptions=True
    )
    assert sum(isinstance(result, TokenInvalid) for result in results) == 1
    assert len(await people.accounts.everybody()) == len(people.rulers.granted) == 1


async def test_an_administrator_made_otherwise_ends_it(people: People, setup: Setup) -> None:
    token = await issued(setup)
    people.rulers.granted = {(await people.user("boss")).id}
    with pytest.raises(TokenInvalid, match="somebody administers"):
        await setup.redeem(token, "Other", PASSWORD)
