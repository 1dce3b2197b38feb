"""What administrators see of accounts beside their names: what proves them, where they are logged in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.factors.factors import PASSKEY, TOTP
from auth.storage.tables import api_keys, memberships, passkeys, passwords, sessions, totp_seeds


@dataclass(slots=True)
class Particulars:
    """Of one account.

    Attributes:
        factors: of "totp" and "passkey".
        sessions: how many there are.
        keys: API keys that have not expired.
        groups: ids of those it is directly in.
    """

    has_password: bool = False
    factors: set[str] = field(default_factory=set)
    sessions: int = 0
    keys: int = 0
    groups: set[str] = field(default_factory=set)


async def particulars(
    connection: AsyncConnection, now: float, principal_id: str | None = None
) -> dict[str, Particulars]:
    """Of everybody, or of one; who has nothing of it is not among them."""
    found: dict[str, Particulars] = {}

    def of(whose: str) -> Particulars:
        return found.setdefault(whose, Particulars())

    async def counted(table: Table, *conditions: Any) -> dict[str, int]:
        whose = table.c.principal_id
        query = select(whose, func.count()).where(*conditions).group_by(whose)
        if principal_id is not None:
            query = query.where(whose == principal_id)
        return {row[0]: row[1] for row in await connection.execute(query)}

    for whose in await counted(passwords):
        of(whose).has_password = True
    for whose in await counted(totp_seeds, totp_seeds.c.sealed.is_not(None)):
        of(whose).factors.add(TOTP)
    for whose in await counted(passkeys):
        of(whose).factors.add(PASSKEY)
    for whose, count in (await counted(sessions, sessions.c.expires_at > now)).items():
        of(whose).sessions = count
    good = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now)
    for whose, count in (await counted(api_keys, good)).items():
        of(whose).keys = count
    member = memberships.c.member_id
    query = select(member, memberships.c.group_id)
    if principal_id is not None:
        query = query.where(member == principal_id)
    for whose, group in await connection.execute(query):
        of(whose).groups.add(group)
    return found


async def particulars_of(connection: AsyncConnection, principal_id: str, now: float) -> Particulars:
    """Of one account."""
    return (await particulars(connection, now, principal_id)).get(principal_id, Particulars())
