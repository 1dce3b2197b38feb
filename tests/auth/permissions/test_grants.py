from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.errors import AccountConflict, BadGrant, NoSuchGrant
from auth.permissions.actions import Action, Role, actions_of
from auth.permissions.directory import Directory
from auth.permissions.grants import (
    MAX_SUPPORT_S,
    GrantKind,
    NewGrant,
    add_grant,
    administrators,
    change_expiry,
    find_grant,
    forget_expired,
    is_last_administrator,
    list_grants,
    withdraw_all,
    withdraw_grant,
)
from auth.permissions.principals import Kind, Principal
from auth.storage.schema import generation
from tests.auth.ground import NOON, database


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[AsyncConnection]:
    async with database(tmp_path) as engine, engine.begin() as connection:
        yield connection


def new(
    principal_id: str = "ann",
    what: Role | Action = Role.VIEWER,
    stream: str = "cam",
    expires_at: float | None = None,
    kind: GrantKind = GrantKind.NORMAL,
    granted_by: str = "owner",
    reason: str = "",
) -> NewGrant:
    return NewGrant(principal_id, what, stream, granted_by, reason, expires_at, kind)


async def test_a_grant_is_kept_as_it_was_given(connection: AsyncConnection) -> None:
    role = await add_grant(connection, new(what=Role.OPERATOR, stream="studio-*", reason="shift"), NOON)
    action = await add_grant(connection, new(what=Action.WATCH, expires_at=NOON + 60), NOON + 1)
    assert await find_grant(connection, role.id) == role
    assert await list_grants(connection) == [role, action]
    assert role.actions == actions_of(Role.OPERATOR)
    assert (role.what, role.stream, role.reason, role.granted_by) == (
        Role.OPERATOR,
        "studio-*",
        "shift",
        "owner",
    )
    assert action.actions == {Action.WATCH, Action.LISTEN}
    assert not action.is_over(NOON + 59)
    assert action.is_over(NOON + 60)
    assert not role.is_over(NOON + 1e9)


async def test_every_change_is_told(connection: AsyncConnection) -> None:
    numbers = [await generation(connection)]
    grant = await add_grant(connection, new(), NOON)
    numbers.append(await generation(connection))
    await change_expiry(connection, grant.id, NOON + 60, NOON)
    numbers.append(await generation(connection))
    await withdraw_grant(connection, grant.id)
    numbers.append(await generation(connection))
    await add_grant(connection, new(), NOON)
    numbers.append(await generation(connection))
    assert await withdraw_all(connection, "ann") == 1
    numbers.append(await generation(connection))
    assert len(set(numbers)) == len(numbers)
    assert await withdraw_all(connection, "ann") == 0
    assert await generation(connection) == numbers[-1]


async def test_lists(connection: AsyncConnection) -> None:
    ann = await add_grant(connection, new("ann"), NOON)
    bob = await add_grant(connection, new("bob", kind=GrantKind.SUPPORT, expires_at=NOON + 60), NOON)
    assert await list_grants(connection, "ann") == [ann]
    assert await list_grants(connection, kind=GrantKind.SUPPORT) == [bob]
    assert await forget_expired(connection, NOON + 61) == 1
    assert await list_grants(connection) == [ann]


async def test_a_grant_that_is_not_there(connection: AsyncConnection) -> None:
    for attempt in (
        find_grant(connection, "none"),
        withdraw_grant(connection, "none"),
        change_expiry(connection, "none", None, NOON),
    ):
        with pytest.raises(NoSuchGrant, match="no grant 'none'"):
            await attempt


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (new(stream="a*b"), "expected a stream's name"),
        (new(expires_at=NOON), "in the future"),
        (new(expires_at=float("nan")), "in the future"),
        (new(principal_id=""), "somebody to have it"),
        (new(granted_by=""), "somebody who gives it"),
        (new(reason="x" * 513), "512 characters at most"),
        (new(kind=GrantKind.SUPPORT), "within 72 hours"),
        (new(kind=GrantKind.SUPPORT, expires_at=NOON + MAX_SUPPORT_S + 1), "within 72 hours"),
        (new("owner", kind=GrantKind.SUPPORT, expires_at=NOON + 60), "given by the owner"),
    ],
)
async def test_what_cannot_be_given(connection: AsyncConnection, asked: NewGrant, expected: str) -> None:
    with pytest.raises(BadGrant, match=expected):
        await add_grant(connection, asked, NOON)
    assert await list_grants(connection) == []


async def test_support_can_be_prolonged_but_never_beyond_its_longest(connection: AsyncConnection) -> None:
    grant = await add_grant(connection, new(kind=GrantKind.SUPPORT, expires_at=NOON + 60), NOON)
    later = await change_expiry(connection, grant.id, NOON + 60 + MAX_SUPPORT_S, NOON + 60)
    assert later.expires_at == NOON + 60 + MAX_SUPPORT_S
    for end in (None, NOON + MAX_SUPPORT_S + 1):
        with pytest.raises(BadGrant, match="within 72 hours"):
            await change_expiry(connection, grant.id, end, NOON)


class TestTheLastAdministrator:
    async def test_cannot_be_lost(self, connection: AsyncConnection) -> None:
        grant = await add_grant(connection, new(what=Role.ADMINISTRATOR, stream="*"), NOON)
        assert await is_last_administrator(connection, "ann")
        with pytest.raises(AccountConflict, match="give another one first"):
            await withdraw_grant(connection, grant.id)
        with pytest.raises(AccountConflict, match="give another one first"):
            await change_expiry(connection, grant.id, NOON + 60, NOON)
        await add_grant(connection, new("bob", Action.ADMIN, "*"), NOON)
        assert not await is_last_administrator(connection, "ann")
        await withdraw_grant(connection, grant.id)
        assert await is_last_administrator(connection, "bob")

    @pytest.mark.parametrize(
        "other",
        [
            new("bob", Role.OPERATOR, "*"),
            new("bob", Role.ADMINISTRATOR, "cam"),
            new("bob", Role.ADMINISTRATOR, "*", NOON + 60),
            new("bob", Role.ADMINISTRATOR, "*", NOON + 60, GrantKind.SUPPORT),
        ],
    )
    async def test_others_who_do_not_administer_for_good(
        self, connection: AsyncConnection, other: NewGrant
    ) -> None:
        await add_grant(connection, new(what=Role.ADMINISTRATOR, stream="*"), NOON)
        await add_grant(connection, other, NOON)
        assert await is_last_administrator(connection, "ann")
        assert not await is_last_administrator(connection, "bob")

    async def test_groups_and_disabled_accounts_count_as_what_they_are(
        self, connection: AsyncConnection
    ) -> None:
        crew = Principal("crew", Kind.GROUP, "crew")
        ann = Principal("ann", Kind.USER, "ann", frozenset({"crew"}))
        bob = Principal("bob", Kind.USER, "bob", frozenset({"crew"}))
        both = Directory({one.id: one for one in (crew, ann, bob)})
        without_bob = Directory(both.principals, frozenset({"bob"}))
        grant = await add_grant(connection, new("crew", Role.ADMINISTRATOR, "*"), NOON)
        assert await administrators(connection, both) == {"ann", "bob"}
        assert not await is_last_administrator(connection, "ann", both)
        assert await is_last_administrator(connection, "ann", without_bob)
        assert await is_last_administrator(connection, "crew", both)
        with pytest.raises(AccountConflict):
            await withdraw_grant(connection, grant.id, both)
        await add_grant(connection, new("bob", Role.ADMINISTRATOR, "*"), NOON)
        with pytest.raises(AccountConflict):
            await withdraw_grant(connection, grant.id, without_bob)
        await withdraw_grant(connection, grant.id, both)

    async def test_where_nobody_is_in_charge_nobody_is_the_last(self, connection: AsyncConnection) -> None:
        assert not await is_last_administrator(connection, "ann")
        assert not await is_last_administrator(connection, "ann", Directory())
