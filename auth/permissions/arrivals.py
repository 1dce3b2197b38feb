"""Who can come in at all: an account that nobody has a password, passkey or key of puts nobody in charge."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.permissions.directory import Directory
from auth.storage.tables import identities, passkeys, passwords


async def able_to_come(connection: AsyncConnection, ids: set[str], directory: Directory) -> set[str]:
    """Of these accounts, those that have something to prove who they are with, here or elsewhere."""
    found = {owner.principal_id for owner in (directory.api_keys or {}).values()} & ids
    for table in (passwords, identities, passkeys):
        rows = await connection.execute(select(table.c.principal_id).where(table.c.principal_id.in_(ids)))
        found |= set(rows.scalars())
    return found
