from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from auth.errors import AuthUnavailable, VaultError
from auth.storage.schema import generation
from auth.tokens.signing import KeyRing, ensure_key, load_keys, rotate_keys, token_keys
from tests.auth.ground import NOON, database, vault


async def test_the_first_key_is_made_once(tmp_path: Path) -> None:
    async with database(tmp_path) as engine, engine.begin() as connection:
        await ensure_key(connection, vault(), NOON)
        first = await load_keys(connection, vault())
        number = await generation(connection)
        await ensure_key(connection, vault(), NOON + 1)
        assert (await load_keys(connection, vault())).signer == first.signer
        assert await generation(connection) == number
        assert len(first.signer.secret) == 32


async def test_rotation_overlaps(tmp_path: Path) -> None:
    async with database(tmp_path) as engine, engine.begin() as connection:
        await ensure_key(connection, vault(), NOON)
        old = (await load_keys(connection, vault())).signer
        kid = await rotate_keys(connection, vault(), NOON + 10, overlap_s=100)
        ring = await load_keys(connection, vault())
        assert ring.signer.kid == kid != old.kid
        assert ring.find(old.kid, NOON + 109) is not None
        assert ring.find(old.kid, NOON + 110) is None
        assert ring.find(kid, NOON + 1e9) is not None
        # Another one neither lengthens the old one's time nor keeps it for ever.
        await rotate_keys(connection, vault(), NOON + 20, overlap_s=1000)
        again = await load_keys(connection, vault())
        assert again.find(old.kid, NOON + 110) is None
        await rotate_keys(connection, vault(), NOON + 200, overlap_s=1000)
        assert old.kid not in repr(await load_keys(connection, vault()))


async def test_without_overlap_all_it_signed_ends(tmp_path: Path) -> None:
    async with database(tmp_path) as engine, engine.begin() as connection:
        await ensure_key(connection, vault(), NOON)
        await rotate_keys(connection, vault(), NOON + 1, overlap_s=100)
        kid = await rotate_keys(connection, vault(), NOON + 2, overlap_s=0)
        assert list((await connection.execute(select(token_keys.c.kid))).scalars()) == [kid]


async def test_keys_are_sealed(tmp_path: Path) -> None:
    async with database(tmp_path) as engine, engine.begin() as connection:
        await ensure_key(connection, vault(), NOON)
        key = (await load_keys(connection, vault())).signer
        assert repr(key.secret) not in repr(key)
        with pytest.raises(VaultError):
            await load_keys(connection, vault(2))


def test_without_a_key_nothing_is_signed() -> None:
    with pytest.raises(AuthUnavailable, match="no key to sign"):
        _ = KeyRing({}).signer
