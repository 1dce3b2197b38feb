from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, update

from auth.errors import VaultError
from auth.tokens.signing import ensure_key, load_keys, rotate_keys, token_keys
from auth.vault.rewrap import registered, rewrap_all
from auth.vault.vault import KEY_BYTES, MasterKey, Vault
from tests.auth.ground import NOON, database

OLD, NEW = MasterKey(b"o" * KEY_BYTES), MasterKey(b"n" * KEY_BYTES)


def test_the_columns_are_registered_where_they_are() -> None:
    assert ("auth_token_key", "sealed") in [(column.table.name, column.column) for column in registered()]


async def test_everything_is_sealed_anew_and_reads_the_same(tmp_path: Path) -> None:
    async with database(tmp_path) as engine, engine.begin() as connection:
        await ensure_key(connection, Vault([OLD]), NOON)
        await rotate_keys(connection, Vault([OLD]), NOON + 1, 60)
        before = await load_keys(connection, Vault([OLD]))
        both = Vault([NEW, OLD])
        assert await rewrap_all(connection, both) == 2
        assert await rewrap_all(connection, both) == 0
        after = await load_keys(connection, Vault([NEW]))
        assert after.signer == before.signer
        with pytest.raises(VaultError):
            await load_keys(connection, Vault([OLD]))


async def test_what_does_not_open_stops_it(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        async with engine.begin() as connection:
            await ensure_key(connection, Vault([OLD]), NOON)
            await rotate_keys(connection, Vault([OLD]), NOON + 1, 60)
            await connection.execute(
                update(token_keys).where(token_keys.c.verifies_until.is_(None)).values(sealed="v1.x.AAAA")
            )
            before = (await connection.execute(select(token_keys))).all()
        with pytest.raises(VaultError):
            async with engine.begin() as connection:
                await rewrap_all(connection, Vault([NEW, OLD]))
        async with engine.connect() as connection:
            assert (await connection.execute(select(token_keys))).all() == before
