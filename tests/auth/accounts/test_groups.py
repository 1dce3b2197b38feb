from __future__ import annotations

import asyncio

import pytest

from auth.accounts.groups import groups_above, members_below
from auth.errors import AccountConflict, NoSuchPrincipal
from auth.storage.schema import generation
from tests.auth.rig import People


class TestNesting:
    async def test_a_principal_knows_the_groups_of_its_groups(self, people: People) -> None:
        jane = await people.user("jane")
        a = await people.group("a", jane)
        b = await people.group("b", a)
        c = await people.group("c", b, jane)
        await people.group("other")
        assert (await people.accounts.principal(jane.id)).groups == {a.id, b.id, c.id}
        async with people.engine.connect() as connection:
            assert await members_below(connection, c.id) == {jane.id, a.id, b.id}

    async def test_a_disabled_group_leads_nowhere(self, people: People) -> None:
        jane = await people.user("jane")
        a = await people.group("a", jane)
        b = await people.group("b", a)
        c = await people.group("c", b)
        await people.accounts.disable(b.id)
        assert (await people.accounts.principal(jane.id)).groups == {a.id}
        await people.accounts.enable(b.id)
        assert (await people.accounts.principal(jane.id)).groups == {a.id, b.id, c.id}

    async def test_circles_are_refused(self, people: People) -> None:
        a = await people.group("a")
        b = await people.group("b", a)
        c = await people.group("c", b)
        for inner in (a, b, c):
            with pytest.raises(AccountConflict, match="cannot be in itself"):
                await people.groups.add(a.id, inner.id)

    async def test_also_when_two_make_one_together(self, people: People) -> None:
        a, b = await people.group("a"), await people.group("b")
        results = await asyncio.gather(
            people.groups.add(a.id, b.id), people.groups.add(b.id, a.id), return_exceptions=True
        )
        assert sorted(type(result) for result in results if result is not None) == [AccountConflict]

    async def test_only_groups_have_members(self, people: People) -> None:
        jane, joan = await people.user("jane"), await people.user("joan")
        ops = await people.group("ops")
        with pytest.raises(NoSuchPrincipal):
            await people.groups.add(jane.id, joan.id)
        with pytest.raises(NoSuchPrincipal):
            await people.groups.add(ops.id, "0" * 32)


class TestMembers:
    async def test_they_are_listed_with_who_says_so(self, people: People) -> None:
        joan, jane = await people.user("joan"), await people.user("Jane")
        ops = await people.group("ops", joan, jane)
        async with people.engine.begin() as connection:
            await people.groups.follow(connection, joan.id, "ldap", {ops.id})
        members = await people.groups.members(ops.id)
        assert [(member.name, member.sources) for member in members] == [
            ("Jane", {""}),
            ("joan", {"", "ldap"}),
        ]
        assert [group.name for group in await people.groups.groups_of(jane.id)] == ["ops"]

    async def test_twice_is_once(self, people: People) -> None:
        jane = await people.user("jane")
        ops = await people.group("ops", jane, jane)
        assert len(await people.groups.members(ops.id)) == 1
        await people.groups.remove(ops.id, jane.id)
        with pytest.raises(NoSuchPrincipal):
            await people.groups.remove(ops.id, jane.id)

    async def test_the_last_administrator_stays_in_the_group_that_makes_it_one(self, people: People) -> None:
        boss = await people.user("boss")
        admins = await people.group("admins", boss)
        people.rulers.granted = {admins.id}
        with pytest.raises(AccountConflict, match="nobody who can administer"):
            await people.groups.remove(admins.id, boss.id)
        people.rulers.granted = {admins.id, boss.id}
        await people.groups.remove(admins.id, boss.id)

    async def test_a_group_of_administrators_stays_too(self, people: People) -> None:
        team = await people.group("team", await people.user("a"), await people.user("b"))
        admins = await people.group("admins", team)
        people.rulers.granted = {admins.id}
        with pytest.raises(AccountConflict, match="nobody who can administer"):
            await people.groups.remove(admins.id, team.id)
        async with people.engine.connect() as connection:
            assert await groups_above(connection, team.id) == {admins.id}


class TestFollowing:
    async def test_what_others_said_stays(self, people: People) -> None:
        jane = await people.user("jane")
        by_hand, old, new = (
            await people.group("by hand", jane),
            await people.group("old"),
            await people.group("new"),
        )
        async with people.engine.begin() as connection:
            await people.groups.follow(connection, jane.id, "oidc", {old.id})
            await people.groups.follow(connection, jane.id, "ldap", {old.id, new.id})
            await people.groups.follow(connection, jane.id, "ldap", {new.id})
        assert (await people.accounts.principal(jane.id)).groups == {by_hand.id, old.id, new.id}
        async with people.engine.begin() as connection:
            await people.groups.follow(connection, jane.id, "oidc", set())
        assert (await people.accounts.principal(jane.id)).groups == {by_hand.id, new.id}

    async def test_nothing_new_bumps_nothing(self, people: People) -> None:
        jane = await people.user("jane")
        ops = await people.group("ops")
        async with people.engine.begin() as connection:
            await people.groups.follow(connection, jane.id, "ldap", {ops.id})
            before = await generation(connection)
            await people.groups.follow(connection, jane.id, "ldap", {ops.id})
            assert await generation(connection) == before
            await people.groups.follow(connection, jane.id, "ldap", set())
            assert await generation(connection) == before + 1
