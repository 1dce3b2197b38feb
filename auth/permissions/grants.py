"""Who has been given what: a principal, a role or a single action, a pattern of streams.

A grant may end by itself, and says who gave it and why. Somebody from outside who helps (support) gets in
by a grant of the kind `support` only: the owner gives it, it ends within 72 hours, and it gives no power to
give grants.

The functions work in the caller's transaction, and tell other processes by `bump`. Who may give a grant is
decided by `Authority.check_grant`; what grants amount to, by `Authority.decide`.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Double,
    Index,
    String,
    Table,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.errors import AccountConflict, BadGrant, NoSuchGrant
from auth.permissions.actions import Action, Role, actions_of, with_sound
from auth.permissions.arrivals import able_to_come
from auth.permissions.directory import Directory
from auth.permissions.patterns import EVERYTHING, MAX_CHARACTERS, check_pattern
from auth.storage.schema import bump, metadata
from auth.turns import in_turns

MAX_SUPPORT_S = 72 * 3600.0
MAX_REASON_CHARACTERS = 512


class GrantKind(StrEnum):
    """Why a grant is there."""

    NORMAL = "normal"
    SUPPORT = "support"


#: Principals are referred to by id alone; accounts that go take their grants with them by `withdraw_all`.
grants_table = Table(
    "auth_grant",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("principal_id", String(32), nullable=False),
    Column("role", String(16)),
    Column("action", String(16)),
    Column("stream", String(MAX_CHARACTERS), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("expires_at", Double),
    Column("granted_by", String(64), nullable=False),
    Column("reason", String(MAX_REASON_CHARACTERS), nullable=False),
    Column("created_at", Double, nullable=False),
    CheckConstraint("(role IS NULL) <> (action IS NULL)", name="role_or_action"),
    Index("ix_auth_grant_principal_id", "principal_id"),
)


@dataclass(frozen=True, slots=True)
class NewGrant:
    """A grant as it is asked for.

    Attributes:
        principal_id: who gets it. what: a role, or a single action. stream: a pattern, see
        `auth.permissions.patterns`. granted_by: id of the principal who gives it, or what stands for the
        machine's owner on the command line. expires_at: seconds since 1970; None for no end.
    """

    principal_id: str
    what: Role | Action
    stream: str
    granted_by: str
    reason: str = ""
    expires_at: float | None = None
    kind: GrantKind = GrantKind.NORMAL

    def check(self, now: float) -> None:
        """Whether it can be given at all.

        Raises:
            BadGrant: says what is expected.
        """
        check_pattern(self.stream)
        _check_end(self.kind, self.expires_at, now)
        if not self.principal_id:
            raise BadGrant(
                "a grant needs somebody to have it; anonymous viewers are let in by `public` streams"
            )
        if not self.granted_by:
            raise BadGrant("a grant needs somebody who gives it")
        if len(self.reason) > MAX_REASON_CHARACTERS:
            raise BadGrant(f"a reason has {MAX_REASON_CHARACTERS} characters at most, not {len(self.reason)}")
        if self.kind is GrantKind.SUPPORT and self.granted_by == self.principal_id:
            raise BadGrant("support access is given by the owner, not by who gets it")


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant as it is in force, or was until `expires_at`."""

    id: str
    principal_id: str
    what: Role | Action
    stream: str
    granted_by: str
    reason: str
    expires_at: float | None
    kind: GrantKind
    created_at: float
    actions: frozenset[Action]

    def is_over(self, now: float) -> bool:
        """Whether its time has come."""
        return self.expires_at is not None and self.expires_at <= now


async def add_grant(connection: AsyncConnection, new: NewGrant, now: float) -> Grant:
    """Give a grant.

    Raises:
        BadGrant: it cannot be given; says what is expected.
    """
    new.check(now)
    row = {
        "id": secrets.token_hex(16),
        "principal_id": new.principal_id,
        "role": new.what.value if isinstance(new.what, Role) else None,
        "action": new.what.value if isinstance(new.what, Action) else None,
        "stream": new.stream,
        "kind": new.kind.value,
        "expires_at": new.expires_at,
        "granted_by": new.granted_by,
        "reason": new.reason,
        "created_at": now,
    }
    await connection.execute(insert(grants_table).values(row))
    await bump(connection)
    return _grant(row)


async def find_grant(connection: AsyncConnection, grant_id: str) -> Grant:
    """One grant.

    Raises:
        NoSuchGrant: there is none of this id.
    """
    rows = await connection.execute(select(grants_table).where(grants_table.c.id == grant_id))
    row = rows.mappings().first()
    if row is None:
        raise NoSuchGrant(grant_id)
    return _grant(row)


async def list_grants(
    connection: AsyncConnection, principal_id: str | None = None, kind: GrantKind | None = None
) -> list[Grant]:
    """Grants in the order in which they were given, those that are over included."""
    query = select(grants_table).order_by(grants_table.c.created_at, grants_table.c.id)
    if principal_id is not None:
        query = query.where(grants_table.c.principal_id == principal_id)
    if kind is not None:
        query = query.where(grants_table.c.kind == kind.value)
    return [_grant(row) async for row in in_turns((await connection.execute(query)).mappings())]


async def change_expiry(
    connection: AsyncConnection,
    grant_id: str,
    expires_at: float | None,
    now: float,
    directory: Directory | None = None,
) -> Grant:
    """Let a grant end at another time, or not at all.

    Raises:
        NoSuchGrant: there is none of this id.
        BadGrant: this kind cannot end then.
        AccountConflict: the last administrator's would begin to end.
    """
    grant = await find_grant(connection, grant_id)
    _check_end(grant.kind, expires_at, now)
    if expires_at is not None:
        await _keep_one_in_charge(connection, grant, directory)
    await connection.execute(
        update(grants_table).where(grants_table.c.id == grant_id).values(expires_at=expires_at)
    )
    await bump(connection)
    return await find_grant(connection, grant_id)


async def withdraw_grant(
    connection: AsyncConnection, grant_id: str, directory: Directory | None = None
) -> Grant:
    """Take a grant back; what it opened ends within a second.

    Raises:
        NoSuchGrant: there is none of this id.
        AccountConflict: nobody would be in charge any more.
    """
    grant = await find_grant(connection, grant_id)
    await _keep_one_in_charge(connection, grant, directory)
    await connection.execute(delete(grants_table).where(grants_table.c.id == grant_id))
    await bump(connection)
    return grant


async def withdraw_all(connection: AsyncConnection, principal_id: str) -> int:
    """Take back everything a principal has, as when the account is removed; how many there were.

    Whether somebody stays in charge was asked before, by `is_last_administrator`.
    """
    done = await connection.execute(delete(grants_table).where(grants_table.c.principal_id == principal_id))
    if done.rowcount:
        await bump(connection)
    return int(done.rowcount)


async def forget_expired(connection: AsyncConnection, before: float) -> int:
    """Remove what ended before a time; it counts for nothing, so nobody need be told."""
    done = await connection.execute(delete(grants_table).where(grants_table.c.expires_at < before))
    return int(done.rowcount)


async def administrators(connection: AsyncConnection, directory: Directory | None = None) -> set[str]:
    """Who is in charge of the server for good: by a grant that does not end, himself or through a group.

    Args:
        connection: the transaction to look in.
        directory: who there is; without it only grants to principals themselves are seen, and all accounts
            are taken to be enabled.
    """
    granted = await _put_in_charge(connection)
    return granted if directory is None else directory.people(granted)


async def is_last_administrator(
    connection: AsyncConnection, principal_id: str, directory: Directory | None = None
) -> bool:
    """Whether nobody would be in charge without this principal; ask before removing or disabling it.

    Whoever is invited and has no password yet takes nobody's place who can come in.
    """
    granted = await _put_in_charge(connection)
    if directory is None:
        return granted == {principal_id}
    left = directory.people(granted - {principal_id}) - {principal_id}
    return await _leaves_nobody(connection, directory.people(granted), left, directory)


async def _put_in_charge(connection: AsyncConnection, but: str = "") -> set[str]:
    """Ids of those whom a grant, other than `but`, makes administrators for good."""
    rows = await connection.execute(
        select(grants_table.c.principal_id).where(
            grants_table.c.id != but,
            grants_table.c.stream == EVERYTHING,
            grants_table.c.expires_at.is_(None),
            or_(
                grants_table.c.role == Role.ADMINISTRATOR.value,
                grants_table.c.action == Action.ADMIN.value,
            ),
        )
    )
    return set(rows.scalars())


async def _keep_one_in_charge(connection: AsyncConnection, grant: Grant, directory: Directory | None) -> None:
    if Action.ADMIN not in grant.actions or grant.stream != EVERYTHING or grant.expires_at is not None:
        return
    left = await _put_in_charge(connection, but=grant.id)
    if directory is None:
        is_last = not left
    else:
        before, after = directory.people(await _put_in_charge(connection)), directory.people(left)
        is_last = not after or await _leaves_nobody(connection, before, after, directory)
    if is_last:
        raise AccountConflict("this grant is the last that puts anybody in charge; give another one first")


async def _leaves_nobody(
    connection: AsyncConnection, before: set[str], after: set[str], directory: Directory
) -> bool:
    """Whether some were in charge, or able to come in and be it, and none is afterwards."""
    able = await able_to_come(connection, before, directory)
    return (bool(before) and not after) or (bool(able) and not able & after)


def _check_end(kind: GrantKind, expires_at: float | None, now: float) -> None:
    if expires_at is not None and not (math.isfinite(expires_at) and expires_at > now):
        raise BadGrant("a grant ends in the future, or not at all")
    if kind is GrantKind.SUPPORT and (expires_at is None or expires_at > now + MAX_SUPPORT_S):
        raise BadGrant(f"support access needs an end within {MAX_SUPPORT_S / 3600:.0f} hours")


@cache
def _single(action: Action) -> frozenset[Action]:
    """One for all the grants there are."""
    return with_sound({action})


def _grant(row: Mapping[Any, Any]) -> Grant:
    what = Role(row["role"]) if row["role"] is not None else Action(row["action"])
    return Grant(
        id=row["id"],
        principal_id=row["principal_id"],
        what=what,
        stream=row["stream"],
        granted_by=row["granted_by"],
        reason=row["reason"],
        expires_at=row["expires_at"],
        kind=GrantKind(row["kind"]),
        created_at=row["created_at"],
        actions=actions_of(what) if isinstance(what, Role) else _single(what),
    )
