from __future__ import annotations

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.accounts.accounts import check_name, folded
from auth.errors import AccountConflict, NoSuchPrincipal
from auth.permissions.principals import Kind
from auth.storage.schema import generation
from auth.storage.tables import passwords
from tests.auth.rig import PASSWORD, People


async def present_generation(people: People) -> int:
    async with people.engine.connect() as connection:
        return await generation(connection)


class TestNames:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("", "1-128 characters"),
            ("x" * 129, "1-128 characters"),
            ("a/b", "without"),
            ("a:b", "without"),
            ("a\uff0fb", "without"),  # a slash to who normalises
            ("a\nb", "printable"),
            ("a\u202eb", "printable"),
            (" a", "spaces"),
            ("a  b", "spaces"),
            ("Anonymous", "somebody unknown"),
        ],
    )
    def test_what_cannot_be_one(self, name: str, expected: str) -> None:
        with pytest.raises(AccountConflict, match=expected):
            check_name(name)

    @pytest.mark.parametrize("name", ["jane", "jane.doe@example.org", "Jörg Müller", "カメラ 1", "o-b_1"])
    def test_what_can(self, name: str) -> None:
        assert check_name(name) == name

    def test_folding(self) -> None:
        assert folded("Jörg") == folded("JO\u0308RG") == folded("\uff4aörg")
        assert folded("Straße") == folded("STRASSE")


class TestMaking:
    async def test_it_is_found_by_name_in_any_case(self, people: People) -> None:
        before = await present_generation(people)
        made = await people.accounts.create(Kind.USER, "Jane", full_name="Jane Doe", email="j@example.org")
        assert await present_generation(people) > before
        assert await people.accounts.named("jANE") == made
        assert await people.accounts.account(made.id) == made
        assert made.created_at == people.clock.now
        principal = await people.accounts.find("JANE")
        assert (principal.id, principal.kind, principal.name) == (made.id, Kind.USER, "Jane")
        assert principal == await people.accounts.principal(made.id)

    async def test_names_are_unique_among_all_kinds(self, people: People) -> None:
        await people.user("ops")
        for kind in (Kind.USER, Kind.SERVICE, Kind.GROUP):
            with pytest.raises(AccountConflict, match="'OPS' is taken"):
                await people.accounts.create(kind, "OPS")

    async def test_everybody_in_order(self, people: People) -> None:
        for kind, name in ((Kind.USER, "b"), (Kind.GROUP, "C"), (Kind.USER, "A"), (Kind.SERVICE, "d")):
            await people.accounts.create(kind, name)
        assert [account.name for account in await people.accounts.everybody()] == ["A", "b", "C", "d"]
        assert [account.name for account in await people.accounts.everybody(Kind.USER)] == ["A", "b"]

    async def test_nobody(self, people: People) -> None:
        for ask in (people.accounts.principal, people.accounts.find, people.accounts.account):
            with pytest.raises(NoSuchPrincipal, match="'nobody'"):
                await ask("nobody")


class TestChanging:
    async def test_renaming(self, people: People) -> None:
        jane = await people.user("jane")
        await people.user("joan")
        before = await present_generation(people)
        await people.accounts.rename(jane.id, "Jane")  # its own name in another case
        await people.accounts.rename(jane.id, "janet")
        assert (await people.accounts.principal(jane.id)).name == "janet"
        assert await present_generation(people) == before + 2
        with pytest.raises(AccountConflict, match="taken"):
            await people.accounts.rename(jane.id, "JOAN")
        with pytest.raises(NoSuchPrincipal):
            await people.accounts.rename("0" * 32, "x")

    async def test_describing(self, people: People) -> None:
        jane = await people.user("jane")
        await people.accounts.describe(jane.id, full_name="Jane Doe", email="j@example.org")
        await people.accounts.describe(jane.id, email="")
        changed = await people.accounts.account(jane.id)
        assert (changed.full_name, changed.email) == ("Jane Doe", "")

    async def test_a_disabled_one_cannot_act_but_can_be_named(self, people: People) -> None:
        jane = await people.user("jane")
        before = await present_generation(people)
        await people.accounts.disable(jane.id)
        assert await present_generation(people) == before + 1
        with pytest.raises(NoSuchPrincipal):
            await people.accounts.principal(jane.id)
        assert (await people.accounts.find("jane")).id == jane.id
        assert (await people.accounts.account(jane.id)).disabled
        await people.accounts.enable(jane.id)
        assert (await people.accounts.principal(jane.id)).name == "jane"

    async def test_a_deleted_one_is_gone_with_what_hung_on_it(self, people: People) -> None:
        told: list[str] = []

        async def forget(connection: AsyncConnection, principal_id: str) -> None:
            told.append(principal_id)

        people.accounts.on_delete.append(forget)
        jane = await people.user("jane", PASSWORD)
        ops = await people.group("ops", jane)
        before = await present_generation(people)
        await people.accounts.delete(jane.id)
        assert await present_generation(people) == before + 1
        assert told == [jane.id]
        assert await people.groups.members(ops.id) == []
        async with people.engine.connect() as connection:
            assert (await connection.execute(select(func.count()).select_from(passwords))).scalar() == 0
        await people.user("jane")

    async def test_only_groups_require_a_factor(self, people: People) -> None:
        jane = await people.user("jane")
        ops = await people.group("ops")
        await people.accounts.require_factor(ops.id, True)
        assert (await people.accounts.account(ops.id)).factor_required
        with pytest.raises(NoSuchPrincipal):
            await people.accounts.require_factor(jane.id, True)


class TestSomebodyStaysInCharge:
    async def test_the_last_administrator_stays(self, people: People) -> None:
        boss, deputy = await people.user("boss"), await people.user("deputy")
        people.rulers.granted = {boss.id, deputy.id}
        await people.accounts.disable(deputy.id)
        for change in (people.accounts.disable, people.accounts.delete):
            with pytest.raises(AccountConflict, match="nobody who can administer"):
                await change(boss.id)
        assert not (await people.accounts.account(boss.id)).disabled
        await people.accounts.enable(deputy.id)
        await people.accounts.delete(boss.id)

    async def test_so_does_the_group_that_makes_it_one(self, people: People) -> None:
        boss = await people.user("boss")
        inner = await people.group("inner", boss)
        outer = await people.group("outer", inner)
        people.rulers.granted = {outer.id}
        for group in (inner, outer):
            for change in (people.accounts.disable, people.accounts.delete):
                with pytest.raises(AccountConflict, match="nobody who can administer"):
                    await change(group.id)
        assert outer.id in (await people.accounts.principal(boss.id)).groups

    async def test_while_nobody_is_in_charge_anybody_can_go(self, people: People) -> None:
        jane = await people.user("jane")
        await people.accounts.delete(jane.id)
        assert await people.accounts.everybody() == []
