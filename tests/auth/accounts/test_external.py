from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from auth.accounts.external import Arrival
from auth.errors import AccountConflict, BadCredentials
from auth.permissions.principals import Kind
from tests.auth.rig import People

DATABASES = ("sqlite",)

JANE = Arrival("oidc:acme", "subject-1", "jane", "Jane Doe", "jane@acme.example", frozenset({"ops"}))


class TestFirstTime:
    async def test_an_account_is_made(self, people: People) -> None:
        principal = await people.external.arrive(JANE, create=True)
        account = await people.accounts.account(principal.id)
        assert (account.kind, account.name) == (Kind.USER, "jane")
        assert (account.full_name, account.email) == ("Jane Doe", "jane@acme.example")
        ops = await people.accounts.find("ops")
        assert ops.kind is Kind.GROUP
        assert principal.groups == {ops.id}
        assert not await people.passwords.has(principal.id)
        assert await people.external.providers_of(principal.id) == {"oidc:acme"}
        again = await people.external.arrive(replace(JANE, name="renamed"), create=True)
        assert again == principal

    async def test_or_not(self, people: People) -> None:
        with pytest.raises(BadCredentials, match="no account here"):
            await people.external.arrive(JANE, create=False)
        assert await people.accounts.everybody() == []

    async def test_a_name_does_not_make_one_somebody_else(self, people: People) -> None:
        boss = await people.user("boss")
        people.rulers.granted = {boss.id}
        stranger = await people.external.arrive(replace(JANE, name="BOSS"), create=True)
        assert stranger.id != boss.id
        assert stranger.name == "BOSS@acme"
        with pytest.raises(AccountConflict, match="no free name"):
            await people.external.arrive(replace(JANE, subject="subject-2", name="boss"), create=True)

    @pytest.mark.parametrize("name", ["", "a/b", "\udcff", "anonymous\n", "x" * 500])
    async def test_names_that_cannot_be(self, name: str, people: People) -> None:
        try:
            principal = await people.external.arrive(replace(JANE, name=name), create=True)
        except AccountConflict:
            assert await people.accounts.everybody(Kind.USER) == []
        else:
            assert principal.name in ("@acme", "x" * 128)

    async def test_twice_at_the_same_time(self, people: People) -> None:
        results = await asyncio.gather(*(people.external.arrive(JANE, create=True) for _ in range(4)))
        assert len({principal.id for principal in results}) == 1
        assert len(await people.accounts.everybody(Kind.USER)) == 1


class TestComingBack:
    async def test_groups_are_followed(self, people: People) -> None:
        jane = await people.external.arrive(JANE, create=True)
        by_hand = await people.group("by hand", await people.accounts.account(jane.id))
        moved = await people.external.arrive(replace(JANE, groups=frozenset({"staff"})), create=True)
        assert moved.groups == {by_hand.id, (await people.accounts.find("staff")).id}
        unsaid = await people.external.arrive(replace(JANE, groups=None), create=True)
        assert unsaid.groups == moved.groups
        gone = await people.external.arrive(replace(JANE, groups=frozenset()), create=True)
        assert gone.groups == {by_hand.id}

    async def test_a_disabled_account_stays_out(self, people: People) -> None:
        jane = await people.external.arrive(JANE, create=True)
        await people.accounts.disable(jane.id)
        with pytest.raises(BadCredentials):
            await people.external.arrive(JANE, create=True)

    async def test_a_group_that_is_none(self, people: People, caplog: pytest.LogCaptureFixture) -> None:
        await people.user("ops")
        with caplog.at_level(logging.WARNING):
            jane = await people.external.arrive(JANE, create=True)
        assert jane.groups == frozenset()
        assert "'ops', which is no group" in caplog.text

    async def test_the_last_administrator_is_not_taken_away(
        self, people: People, caplog: pytest.LogCaptureFixture
    ) -> None:
        jane = await people.external.arrive(JANE, create=True)
        people.rulers.granted = {(await people.accounts.find("ops")).id}
        with caplog.at_level(logging.WARNING):
            kept = await people.external.arrive(replace(JANE, groups=frozenset({"staff"})), create=True)
        assert kept.groups == jane.groups
        assert "last administrator" in caplog.text
        await people.groups.add((await people.accounts.find("ops")).id, (await people.user("boss")).id)
        moved = await people.external.arrive(replace(JANE, groups=frozenset({"staff"})), create=True)
        assert moved.groups == {(await people.accounts.find("staff")).id}


class TestLinking:
    async def test_an_account_that_is_here_already(self, people: People) -> None:
        jane = await people.user("jane")
        await people.external.link(jane.id, JANE.provider, JANE.subject)
        assert (await people.external.arrive(JANE, create=False)).id == jane.id
        other = await people.user("other")
        with pytest.raises(AccountConflict, match="belongs to an account"):
            await people.external.link(other.id, JANE.provider, JANE.subject)
        await people.external.unlink(jane.id, JANE.provider)
        with pytest.raises(BadCredentials):
            await people.external.arrive(JANE, create=False)
        assert (await people.accounts.principal(jane.id)).groups == frozenset()

    async def test_only_users_log_in(self, people: People) -> None:
        with pytest.raises(AccountConflict, match="only users"):
            await people.external.link((await people.service("encoder")).id, JANE.provider, JANE.subject)
