from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.errors import VaultError
from auth.vault.rewrap import rewrap_all
from auth.vault.vault import MasterKey, Vault
from streamer.recording.keys import open_keys, recording_keys
from tests.rigs.databases import copied, make_empty, sqlite_url

OLD, NEW = MasterKey(os.urandom(32)), MasterKey(os.urandom(32))


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    await make_empty(sqlite_url(tmp_path / "empty.db"))
    async with copied(tmp_path / "empty.db", tmp_path / "keys.db") as engine:
        yield engine


async def test_the_first_one_is_made_and_stays(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        made = await open_keys(connection, Vault([OLD]), 1.0)
    async with engine.begin() as connection:
        again = await open_keys(connection, Vault([OLD]), 2.0)
        sealed = (await connection.execute(select(recording_keys.c.sealed))).scalars().all()
    kid, key = made.current
    assert again.current == (kid, key)
    assert len(key) == 32
    assert again.find(kid) == key
    assert again.find("another") is None
    assert len(sealed) == 1
    assert key.hex() not in sealed[0]


async def test_another_master_key_changes_what_seals_them_alone(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        made = await open_keys(connection, Vault([OLD]), 1.0)
        assert await rewrap_all(connection, Vault([NEW, OLD])) >= 1
    async with engine.begin() as connection:
        assert (await open_keys(connection, Vault([NEW]), 2.0)).current == made.current
        with pytest.raises(VaultError):
            await open_keys(connection, Vault([OLD]), 2.0)
