"""Codes on paper, for when the phone is gone: ten at a time, each good once."""

from __future__ import annotations

import base64
import secrets

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.storage.schema import bump
from auth.storage.tables import recovery_codes
from auth.vault.digests import digest

CODES = 10
_CODE_BYTES = 10
_GROUP = 4


class Recovery:
    """The recovery codes of a database's users.

    Args:
        engine: the database.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def issue(self, principal_id: str) -> list[str]:
        """Ten new codes, in place of what was left of the old. They are shown once and kept as hashes."""
        codes = [_code() for _ in range(CODES)]
        async with self._engine.begin() as connection:
            await bump(connection)
            await connection.execute(
                delete(recovery_codes).where(recovery_codes.c.principal_id == principal_id)
            )
            rows = [{"principal_id": principal_id, "hash": _digest(principal_id, code)} for code in codes]
            await connection.execute(insert(recovery_codes), rows)
        return codes

    async def verify(self, principal_id: str, code: str) -> bool:
        """Whether this code is good; it is used up."""
        async with self._engine.begin() as connection:
            used = await connection.execute(
                delete(recovery_codes).where(
                    recovery_codes.c.principal_id == principal_id,
                    recovery_codes.c.hash == _digest(principal_id, code),
                )
            )
            return bool(used.rowcount)

    async def left(self, principal_id: str, *, connection: AsyncConnection | None = None) -> int:
        """How many are left."""
        if connection is None:
            async with self._engine.connect() as own:
                return await self.left(principal_id, connection=own)
        mine = recovery_codes.c.principal_id == principal_id
        counted = select(func.count()).select_from(recovery_codes).where(mine)
        return int((await connection.execute(counted)).scalar_one())

    async def remove(self, principal_id: str) -> None:
        """Forget them all."""
        async with self._engine.begin() as connection:
            await bump(connection)
            await connection.execute(
                delete(recovery_codes).where(recovery_codes.c.principal_id == principal_id)
            )


def _code() -> str:
    text = base64.b32encode(secrets.token_bytes(_CODE_BYTES)).decode().lower()
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def _digest(principal_id: str, code: str) -> str:
    """Of what is meant, however it was typed."""
    return digest("".join(letter for letter in code.casefold() if letter.isalnum()), principal_id)
