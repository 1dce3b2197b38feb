"""Everybody at once: what decisions about grants need to know, read in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.permissions.directory import ApiKeyOwner
from auth.permissions.principals import Kind, Principal
from auth.storage.tables import api_keys, memberships, principals, sessions
from auth.turns import in_turns


@dataclass(frozen=True, slots=True)
class Roster:
    """All accounts and groups at one moment.

    Attributes:
        principals: by id, disabled ones too; each with all groups that count for it.
        disabled: ids.
        sessions: handles of the sessions that have not reached their end.
        api_keys: the API keys that have not expired, by prefix.
    """

    principals: dict[str, Principal]
    disabled: frozenset[str]
    sessions: frozenset[str]
    api_keys: dict[str, ApiKeyOwner]


async def read_roster(connection: AsyncConnection, now: float) -> Roster:
    """Read everybody.

    Args:
        connection: a transaction.
        now: seconds since 1970.
    """
    records = (await connection.execute(select(principals))).all()
    disabled = frozenset(record.id for record in records if record.disabled)
    direct: dict[str, set[str]] = {}
    members = await connection.execute(select(memberships.c.group_id, memberships.c.member_id))
    async for group_id, member_id in in_turns(members):
        if group_id not in disabled:
            direct.setdefault(member_id, set()).add(group_id)
    above: dict[str, frozenset[str]] = {}
    everybody = {
        record.id: Principal(record.id, Kind(record.kind), record.name, _above(record.id, direct, above))
        async for record in in_turns(records)
    }
    open_sessions = select(sessions.c.handle).where(sessions.c.expires_at > now)
    columns = (api_keys.c.prefix, api_keys.c.principal_id, api_keys.c.hash, api_keys.c.expires_at)
    good_keys = select(*columns).where(or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now))
    return Roster(
        everybody,
        disabled,
        frozenset((await connection.execute(open_sessions)).scalars().all()),
        {prefix: ApiKeyOwner(*owner) for prefix, *owner in await connection.execute(good_keys)},
    )


def _above(member_id: str, direct: dict[str, set[str]], known: dict[str, frozenset[str]]) -> frozenset[str]:
    """Groups through groups; there are no circles, `auth.accounts.groups` refuses them."""
    if member_id not in known:
        mine = direct.get(member_id, set())
        known[member_id] = frozenset(mine).union(*(_above(group, direct, known) for group in mine))
    return known[member_id]
