from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.permissions.actions import Action
from auth.permissions.limits import Limits
from auth.storage.schema import generation
from auth.tokens.issued import (
    EVERYBODY,
    find_token,
    forget_over,
    issue,
    list_tokens,
    load_cutoffs,
    load_revoked,
    revoke,
    revoke_before,
    use_up,
)
from auth.tokens.signing import KeyRing, SigningKey
from auth.tokens.tokens import TokenOrder, Tokens
from tests.auth.ground import NOON, database

RING = KeyRing({"k1": SigningKey("k1", "HS256", b"1" * 32, NOON)})
ORDER = TokenOrder(frozenset({Action.PUBLISH}), ("cam", "studio-*"), 3600, "ann", note="the encoder")


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[AsyncConnection]:
    async with database(tmp_path) as engine, engine.begin() as connection:
        yield connection


async def test_what_was_issued_is_listed_without_the_token(connection: AsyncConnection) -> None:
    first = await issue(connection, Tokens(), RING, ORDER, NOON)
    second = await issue(connection, Tokens(), RING, replace(ORDER, subject="bob"), NOON + 1)
    records = await list_tokens(connection, NOON + 2)
    assert [record.token_id for record in records] == [second.claims.token_id, first.claims.token_id]
    record = (await list_tokens(connection, NOON + 2, "ann"))[0]
    assert record.streams == ("cam", "studio-*")
    assert record.actions == ("publish",)
    assert (record.note, record.issued_at, record.expires_at) == ("the encoder", NOON, NOON + 3600)
    assert (record.revoked_at, record.used_at) == (None, None)
    assert first.token not in repr(records)
    assert await list_tokens(connection, NOON + 3601) == []


async def test_limits_and_links_are_listed(connection: AsyncConnection) -> None:
    limited = replace(ORDER, limits=Limits.of(viewers=3, networks=["192.0.2.0/24"]))
    made = await issue(connection, Tokens(), RING, limited, NOON, "whip")
    plain = await issue(connection, Tokens(), RING, ORDER, NOON)
    record = await find_token(connection, made.claims.token_id)
    assert record is not None
    assert (json.loads(record.limits), record.link) == ({"viewers": 3, "net": ["192.0.2.0/24"]}, "whip")
    other = await find_token(connection, plain.claims.token_id)
    assert other is not None
    assert (other.limits, other.link) == ("", "")


async def test_one_that_was_not_issued_here_is_not_found(connection: AsyncConnection) -> None:
    await revoke(connection, "outside", NOON, NOON + 60)
    for token_id in ("outside", "none"):
        assert await find_token(connection, token_id) is None


async def test_revoking(connection: AsyncConnection) -> None:
    issued = await issue(connection, Tokens(), RING, ORDER, NOON)
    before = await generation(connection)
    await revoke(connection, issued.claims.token_id, NOON + 1, NOON + 3600)
    await revoke(connection, issued.claims.token_id, NOON + 2, NOON + 3600)
    await revoke(connection, "from outside", NOON + 1, NOON + 60)
    assert await generation(connection) > before
    assert await load_revoked(connection, NOON + 2) == {issued.claims.token_id, "from outside"}
    assert await load_revoked(connection, NOON + 61) == {issued.claims.token_id}
    assert (await list_tokens(connection, NOON, "ann"))[0].revoked_at == NOON + 1


async def test_revoking_all_of_a_time(connection: AsyncConnection) -> None:
    await revoke_before(connection, NOON, "ann")
    await revoke_before(connection, NOON - 5, "ann")
    await revoke_before(connection, NOON + 5)
    assert await load_cutoffs(connection) == {"ann": NOON, EVERYBODY: NOON + 5}
    await revoke_before(connection, NOON + 9, "ann")
    assert (await load_cutoffs(connection))["ann"] == NOON + 9


async def test_a_token_is_used_up_once(connection: AsyncConnection) -> None:
    issued = await issue(connection, Tokens(), RING, ORDER, NOON)
    for token_id in (issued.claims.token_id, "from outside"):
        assert await use_up(connection, token_id, NOON, NOON + 60)
        assert not await use_up(connection, token_id, NOON + 1, NOON + 60)
    # Revoking afterwards is another matter.
    await revoke(connection, "from outside", NOON, NOON + 60)
    assert await load_revoked(connection, NOON) == {"from outside"}


async def test_what_is_over_is_forgotten(connection: AsyncConnection) -> None:
    await issue(connection, Tokens(), RING, ORDER, NOON)
    await revoke_before(connection, NOON, "ann")
    assert await forget_over(connection, NOON + 3599, 3600) == 0
    assert await load_cutoffs(connection)
    assert await forget_over(connection, NOON + 3601, 3600) == 1
    assert not await load_cutoffs(connection)
