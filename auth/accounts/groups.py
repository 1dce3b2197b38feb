"""Who is in which group. Groups nest; circles are refused.

A membership remembers who says so: "" for an administrator here, else the directory or identity provider,
which takes back at a login what it no longer says and leaves alone what others said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.accounts.succession import IsLastAdministrator, somebody_stays
from auth.errors import AccountConflict, NoSuchPrincipal
from auth.permissions.principals import Kind
from auth.storage.schema import bump
from auth.storage.tables import memberships, principals

BY_HAND = ""


@dataclass(frozen=True, slots=True)
class Membership:
    """Somebody directly in a group.

    Attributes:
        sources: who says so; "" is an administrator here.
    """

    id: str
    kind: Kind
    name: str
    sources: frozenset[str]


async def groups_above(connection: AsyncConnection, member_id: str) -> frozenset[str]:
    """Ids of all groups that somebody is in, through other groups too. What is disabled leads nowhere."""
    return frozenset((await connection.execute(_above(member_id))).scalars().all())


async def members_below(connection: AsyncConnection, group_id: str) -> frozenset[str]:
    """Ids of everything that is in a group, through other groups too, disabled or not."""
    below = (
        select(memberships.c.member_id).where(memberships.c.group_id == group_id).cte("below", recursive=True)
    )
    further = select(memberships.c.member_id).join(below, memberships.c.group_id == below.c.member_id)
    below = below.union(further)
    return frozenset((await connection.execute(select(below.c.member_id))).scalars())


class Groups:
    """The memberships of a database.

    Args:
        engine: the database.
        is_last_administrator: see `auth.accounts.succession`.
    """

    def __init__(self, engine: AsyncEngine, is_last_administrator: IsLastAdministrator) -> None:
        self._engine = engine
        self._is_last_administrator = is_last_administrator

    async def add(self, group_id: str, member_id: str) -> None:
        """Put an account or group into a group; it may be in there already.

        Raises:
            NoSuchPrincipal: either is not there, or the first is no group.
            AccountConflict: the group would be in itself.
        """
        async with self._engine.begin() as connection:
            # The lock: two changes that are fine alone could make a circle together.
            await bump(connection)
            kinds = await _kinds(connection, group_id, member_id)
            if kinds.get(group_id) is not Kind.GROUP:
                raise NoSuchPrincipal(group_id)
            if member_id not in kinds:
                raise NoSuchPrincipal(member_id)
            if group_id == member_id or group_id in await members_below(connection, member_id):
                raise AccountConflict("a group cannot be in itself, not through other groups either")
            if BY_HAND not in await _sources(connection, group_id, member_id):
                await connection.execute(
                    insert(memberships).values(group_id=group_id, member_id=member_id, source=BY_HAND)
                )

    async def remove(self, group_id: str, member_id: str) -> None:
        """Take an account or group out of a group, whoever put it there.

        What a directory or identity provider said it will say again at the next login.

        Raises:
            NoSuchPrincipal: it is not in there.
            AccountConflict: nobody could administer any more.
        """
        async with self._engine.begin() as connection:
            await bump(connection)
            async with somebody_stays(connection, self._is_last_administrator, member_id):
                removed = await connection.execute(
                    delete(memberships).where(
                        memberships.c.group_id == group_id, memberships.c.member_id == member_id
                    )
                )
                if not removed.rowcount:
                    raise NoSuchPrincipal(member_id)

    async def members(self, group_id: str) -> list[Membership]:
        """Who is directly in a group, by name."""
        return await self._neighbours(
            select(principals, memberships.c.source)
            .join(memberships, memberships.c.member_id == principals.c.id)
            .where(memberships.c.group_id == group_id)
        )

    async def groups_of(self, member_id: str) -> list[Membership]:
        """Which groups somebody is directly in, by name."""
        return await self._neighbours(
            select(principals, memberships.c.source)
            .join(memberships, memberships.c.group_id == principals.c.id)
            .where(memberships.c.member_id == member_id)
        )

    async def follow(
        self, connection: AsyncConnection, member_id: str, source: str, group_ids: Iterable[str]
    ) -> None:
        """Make a user's memberships by `source` be exactly these. Bumps only when something changed.

        Raises:
            AccountConflict: nobody could administer any more.
        """
        wanted = set(group_ids)
        said = (memberships.c.member_id == member_id) & (memberships.c.source == source)
        present = set((await connection.execute(select(memberships.c.group_id).where(said))).scalars())
        if present == wanted:
            return
        await bump(connection)
        async with somebody_stays(connection, self._is_last_administrator, member_id):
            await connection.execute(delete(memberships).where(said))
            if wanted:
                rows = [{"group_id": each, "member_id": member_id, "source": source} for each in wanted]
                await connection.execute(insert(memberships), rows)

    async def _neighbours(self, wanted: Select[*tuple[Any, ...]]) -> list[Membership]:
        found: dict[str, Membership] = {}
        async with self._engine.connect() as connection:
            for record in await connection.execute(wanted.order_by(principals.c.folded)):
                sources = found[record.id].sources if record.id in found else frozenset()
                found[record.id] = Membership(
                    record.id, Kind(record.kind), record.name, sources | {record.source}
                )
        return list(found.values())


def _above(member_id: str) -> Select[str]:
    enabled = principals.c.disabled.is_(False)
    direct = (
        select(memberships.c.group_id)
        .join(principals, principals.c.id == memberships.c.group_id)
        .where(memberships.c.member_id == member_id, enabled)
        .cte("above", recursive=True)
    )
    further = (
        select(memberships.c.group_id)
        .join(principals, principals.c.id == memberships.c.group_id)
        .join(direct, memberships.c.member_id == direct.c.group_id)
        .where(enabled)
    )
    above = direct.union(further)
    return select(above.c.group_id)


async def _kinds(connection: AsyncConnection, *ids: str) -> dict[str, Kind]:
    found = await connection.execute(
        select(principals.c.id, principals.c.kind).where(principals.c.id.in_(ids))
    )
    return {record.id: Kind(record.kind) for record in found}


async def _sources(connection: AsyncConnection, group_id: str, member_id: str) -> set[str]:
    said = select(memberships.c.source).where(
        memberships.c.group_id == group_id, memberships.c.member_id == member_id
    )
    return set((await connection.execute(said)).scalars())
