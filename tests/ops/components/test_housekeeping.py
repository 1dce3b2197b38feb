from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from auth.accounts.invitations import Invitations, invitations
from auth.audit.reader import export, verify
from auth.permissions.actions import Action, Role
from auth.permissions.grants import NewGrant, add_grant, grants_table
from auth.permissions.principals import Kind
from auth.signin.visitors import Visitor
from auth.storage.tables import sessions
from auth.tokens.issued import issue, tokens_table
from auth.tokens.tokens import SERVER, TokenOrder
from ops.components.housekeeping import Housekeeping
from ops.components.signin import SignIn
from ops.identity.identity import Guard, Identity, open_identity
from streamer.config import parse
from tests.auth.rig import Clock

DAY_S = 86_400.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def identity(tmp_path: Path, clock: Clock) -> AsyncIterator[Identity]:
    identity = await open_identity(parse({"state": {"dir": tmp_path}}), clock)
    yield identity
    await identity.close()


async def counts(identity: Identity) -> dict[str, int]:
    found = {}
    async with identity.engine.connect() as connection:
        for table in (sessions, grants_table, tokens_table, invitations):
            counted = await connection.execute(select(func.count()).select_from(table))
            found[table.name.removeprefix("auth_")] = int(counted.scalar_one())
    return found


@pytest.mark.parametrize("keep_days", [10.0, 0.0])
async def test_what_is_over_goes(identity: Identity, clock: Clock, keep_days: float) -> None:
    guard = Guard(identity)
    config = parse({"audit": {"keep_days": keep_days}})
    signin = SignIn(identity, guard, config)
    anna = await identity.accounts.create(Kind.USER, "anna")
    visitor = Visitor("192.0.2.7")
    await signin.sessions.open(anna.id, visitor, method="password", with_factor=False)
    async with identity.engine.begin() as connection:
        for expires_at in (clock() + DAY_S, clock() + 100 * DAY_S, None):
            new = NewGrant(anna.id, Role.VIEWER, "*", SERVER, expires_at=expires_at)
            await add_grant(connection, new, clock())
        order = TokenOrder(frozenset({Action.WATCH}), ("cam",), DAY_S)
        ring = identity.authority.snapshot.ring
        await issue(connection, identity.authority.tokens, ring, order, clock())
    links = Invitations(identity.engine, identity.accounts, identity.passwords, clock=clock)
    await links.issue(anna.id)
    await identity.record("user.add", anna.id)
    clock.advance(38 * DAY_S)
    await links.issue((await identity.accounts.create(Kind.USER, "ben")).id)
    clock.advance(2 * DAY_S)
    await signin.sessions.open(anna.id, visitor, method="password", with_factor=False)
    await identity.record("user.disable", anna.id)
    before = await counts(identity)
    housekeeping = Housekeeping(identity, signin.sessions, config.audit)
    await housekeeping.sweep()
    after = await counts(identity)
    assert (before["session"], after["session"]) == (2, 1)
    # What ended a while ago is still to be seen, what ended long ago is not.
    assert (before["grant"], after["grant"]) == (3, 2)
    assert (before["invitation"], after["invitation"]) == (2, 1)
    assert after["token"] == before["token"] - 1
    kept = [json.loads(line)["what"] async for line in export(identity.engine)]
    assert ("user.add" in kept) == (keep_days == 0)
    assert "user.disable" in kept
    assert (await verify(identity.engine, identity.vault)).is_whole
    await signin.close()
    await guard.close()
