"""What has become of tokens: which were issued, revoked, used up. The tokens themselves are kept nowhere.

One row per token that is worth one: every token that was issued here, and outside ones from the moment that
something happened to them. Rows go when their tokens are over. Besides, all tokens of an issuer, or all
there are, can be revoked at once by the time they were issued.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Double, Index, String, Table, Text, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.permissions.limits import Limits
from auth.storage.schema import bump, metadata
from auth.tokens.signing import KeyRing
from auth.tokens.tokens import Issued, TokenOrder, Tokens

#: Stands for every subject in a cut-off.
EVERYBODY = ""

tokens_table = Table(
    "auth_token",
    metadata,
    Column("token_id", String(64), primary_key=True),
    Column("subject", String(64), nullable=False),
    Column("actions", String(128), nullable=False),
    Column("streams", Text, nullable=False),
    Column("note", String(256), nullable=False),
    Column("issued_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("revoked_at", Double),
    Column("used_at", Double),
    # As in the token, for lists; NULL for none.
    Column("limits", Text),
    # What a link with this token opens, as in `auth.tokens.links.Target`; NULL when it was given out alone.
    Column("link", String(16)),
    Index("ix_auth_token_subject", "subject"),
    Index("ix_auth_token_expires_at", "expires_at"),
)

#: Everything that a subject issued up to a time is revoked.
cutoffs = Table(
    "auth_token_cutoff",
    metadata,
    Column("subject", String(64), primary_key=True),
    Column("issued_before", Double, nullable=False),
)


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """One token, for lists.

    Attributes:
        limits: as in the token, "" for none.
        link: what the link opens that it was made for, as in `auth.tokens.links.Target`; "" for none.
    """

    token_id: str
    subject: str
    actions: tuple[str, ...]
    streams: tuple[str, ...]
    note: str
    issued_at: float
    expires_at: float
    revoked_at: float | None
    used_at: float | None
    limits: str = ""
    link: str = ""


async def issue(
    connection: AsyncConnection, tokens: Tokens, ring: KeyRing, order: TokenOrder, now: float, link: str = ""
) -> Issued:
    """Sign a token and keep a record of it.

    Args:
        connection: the transaction to work in.
        tokens: signs.
        ring: what with.
        order: what is asked for.
        now: seconds since 1970.
        link: see `TokenRecord`.

    Raises:
        BadGrant: the order asks for what cannot be.
        AuthUnavailable: there is no key.
    """
    issued = tokens.issue(ring, order, now)
    claims = issued.claims
    await connection.execute(
        insert(tokens_table).values(
            _row(claims.token_id, claims.expires_at)
            | {
                "subject": claims.subject,
                "actions": " ".join(sorted(claims.actions)),
                "streams": " ".join(claims.streams),
                "note": order.note[:256],
                "issued_at": claims.issued_at,
                "limits": _written(claims.limits),
                "link": link or None,
            }
        )
    )
    return issued


async def list_tokens(
    connection: AsyncConnection, now: float, subject: str | None = None
) -> list[TokenRecord]:
    """Tokens that are not over, newest first; all, or those that one subject issued."""
    query = (
        select(tokens_table)
        .where(tokens_table.c.expires_at > now)
        .order_by(tokens_table.c.issued_at.desc(), tokens_table.c.token_id)
    )
    if subject is not None:
        query = query.where(tokens_table.c.subject == subject)
    return [_record(row) for row in (await connection.execute(query)).mappings()]


async def find_token(connection: AsyncConnection, token_id: str) -> TokenRecord | None:
    """One token that was issued here; None for one that is unknown, or was forgotten."""
    known = (tokens_table.c.token_id == token_id) & (tokens_table.c.issued_at > 0)
    row = (await connection.execute(select(tokens_table).where(known))).mappings().first()
    return None if row is None else _record(row)


async def revoke(connection: AsyncConnection, token_id: str, now: float, expires_at: float) -> None:
    """Have a token not count any more; the sessions it opened end within a second.

    Args:
        connection: the transaction to work in.
        token_id: as in `Claims` and `TokenRecord`; a token that has no record yet gets one.
        now: seconds since 1970.
        expires_at: when a token without record is over at the latest, and can be forgotten.
    """
    await _mark(connection, token_id, "revoked_at", now, expires_at)
    await bump(connection)


async def revoke_before(connection: AsyncConnection, before: float, subject: str = EVERYBODY) -> None:
    """Have all tokens not count any more that a subject, or anybody, issued before a time."""
    moved = await connection.execute(
        update(cutoffs)
        .where(cutoffs.c.subject == subject)
        .where(cutoffs.c.issued_before < before)
        .values(issued_before=before)
    )
    if not moved.rowcount:
        there = await connection.execute(select(cutoffs).where(cutoffs.c.subject == subject))
        if there.first() is None:
            await connection.execute(insert(cutoffs).values(subject=subject, issued_before=before))
    await bump(connection)


async def use_up(connection: AsyncConnection, token_id: str, now: float, expires_at: float) -> bool:
    """Use a token that can be used once; False when it was used before, on any machine."""
    return await _mark(connection, token_id, "used_at", now, expires_at)


async def load_revoked(connection: AsyncConnection, now: float) -> frozenset[str]:
    """Ids of the tokens that would count, were they not revoked."""
    rows = await connection.execute(
        select(tokens_table.c.token_id).where(
            tokens_table.c.revoked_at.is_not(None), tokens_table.c.expires_at > now
        )
    )
    return frozenset(rows.scalars())


async def load_cutoffs(connection: AsyncConnection) -> Mapping[str, float]:
    """Times up to which issued tokens are revoked, by subject."""
    rows = await connection.execute(select(cutoffs.c.subject, cutoffs.c.issued_before))
    return {row.subject: row.issued_before for row in rows}


async def forget_over(connection: AsyncConnection, now: float, max_lifetime_s: float) -> int:
    """Remove what can have no effect any more; how many tokens that were."""
    done = await connection.execute(delete(tokens_table).where(tokens_table.c.expires_at <= now))
    await connection.execute(delete(cutoffs).where(cutoffs.c.issued_before < now - max_lifetime_s))
    return int(done.rowcount)


async def _mark(
    connection: AsyncConnection, token_id: str, column: str, now: float, expires_at: float
) -> bool:
    """Write a time into an empty column of a token's row, with the row if need be; whether it was empty."""
    empty = tokens_table.c[column].is_(None)
    marking = update(tokens_table).where(tokens_table.c.token_id == token_id, empty).values({column: now})
    if (await connection.execute(marking)).rowcount:
        return True
    try:
        # Where another process inserts the same row at this moment, the transaction outside must survive it.
        async with connection.begin_nested():
            await connection.execute(insert(tokens_table).values(_row(token_id, expires_at) | {column: now}))
    except IntegrityError:
        return bool((await connection.execute(marking)).rowcount)
    return True


def _row(token_id: str, expires_at: float) -> dict[str, Any]:
    return {
        "token_id": token_id,
        "subject": "",
        "actions": "",
        "streams": "",
        "note": "",
        "issued_at": 0.0,
        "expires_at": expires_at,
        "revoked_at": None,
        "used_at": None,
        "limits": None,
        "link": None,
    }


def _written(limits: Limits) -> str | None:
    claim = limits.to_claim()
    return None if claim is None else json.dumps(claim)


def _record(row: Mapping[Any, Any]) -> TokenRecord:
    return TokenRecord(
        token_id=row["token_id"],
        subject=row["subject"],
        actions=tuple(row["actions"].split()),
        streams=tuple(row["streams"].split()),
        note=row["note"],
        issued_at=row["issued_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        used_at=row["used_at"],
        limits=row["limits"] or "",
        link=row["link"] or "",
    )
