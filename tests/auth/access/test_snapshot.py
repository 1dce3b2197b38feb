from __future__ import annotations

from pathlib import Path

from auth.access.snapshot import Right, load_snapshot
from auth.permissions.actions import Action, Role
from auth.permissions.grants import GrantKind
from auth.permissions.principals import Kind
from auth.tokens.issued import EVERYBODY, revoke, revoke_before
from auth.tokens.signing import ensure_key
from tests.auth.ground import NOON, People, database, give, vault


async def test_what_is_read(tmp_path: Path) -> None:
    people = People()
    crew = people.add("crew", kind=Kind.GROUP)
    ann = people.add("ann", groups=[crew.id])
    async with database(tmp_path) as engine:
        hers = await give(engine, ann, Role.VIEWER, "cam", expires_at=NOON + 60)
        theirs = await give(engine, crew, Action.WATCH, "*")
        async with engine.begin() as connection:
            await ensure_key(connection, vault(), NOON)
            await revoke(connection, "t", NOON, NOON + 60)
            await revoke_before(connection, NOON - 5, ann.id)
            snapshot = await load_snapshot(connection, vault(), people.load, NOON)
    assert list(snapshot.granted(ann)) == [hers, theirs]
    assert snapshot.rights(ann, "cam", NOON) == {
        Action.WATCH: Right(None, support=False),
        Action.LISTEN: Right(None, support=False),
    }
    assert snapshot.rights(ann, "cam", NOON + 60).keys() == {Action.WATCH, Action.LISTEN}
    assert snapshot.rights(ann, "", NOON).keys() == {Action.WATCH, Action.LISTEN}
    assert snapshot.revoked == {"t"}
    assert snapshot.issued_until(ann.id) == NOON - 5
    assert snapshot.issued_until("somebody") < 0
    assert snapshot.ring.signer
    assert snapshot.read_at == NOON


async def test_a_cut_off_for_everybody_is_one_for_each(tmp_path: Path) -> None:
    async with database(tmp_path) as engine, engine.begin() as connection:
        await revoke_before(connection, NOON, EVERYBODY)
        snapshot = await load_snapshot(connection, vault(), People().load, NOON)
    assert snapshot.issued_until("somebody") == NOON


async def test_support_is_what_rests_on_support_alone(tmp_path: Path) -> None:
    people = People()
    ann = people.add("ann")
    async with database(tmp_path) as engine:
        await give(engine, ann, Role.OPERATOR, kind=GrantKind.SUPPORT, expires_at=NOON + 60)
        await give(engine, ann, Action.WATCH, "cam")
        async with engine.begin() as connection:
            snapshot = await load_snapshot(connection, vault(), people.load, NOON)
    rights = snapshot.rights(ann, "cam", NOON)
    assert rights[Action.MANAGE].support
    assert not rights[Action.WATCH].support
