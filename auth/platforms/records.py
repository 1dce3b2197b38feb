"""Connections to platforms as they are kept: one row each, the tokens sealed. The caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.platforms.login import Page
from auth.platforms.oauth import Tokens
from auth.platforms.tables import connections, tokens_context
from auth.vault.sealing import Sealer


class ConnectionState(StrEnum):
    """Whether a connection can be used."""

    CONNECTED = "connected"
    RECONNECT = "reconnect"  #: not before somebody connects it again; `reason` says why


@dataclass(frozen=True, slots=True)
class Connection:
    """An account on a platform that this installation may act for.

    Attributes:
        owner: id of the account here whose it is; "" for the installation's.
        subject: the platform's id of the account there.
        name: the account's there, for people.
        client_id: of the registered application that the tokens belong to.
        pages: what can be published as besides the account itself; without tokens.
        page: id of the picked one; "" for the account itself.
        reason: why it must be connected again; "" while it works.
        expires_at: when it must be connected again if nothing renews it; None for never or not known.
        checked_at: when the platform last took or gave a token.
    """

    id: str
    platform: str
    owner: str
    subject: str
    name: str
    client_id: str
    scopes: frozenset[str]
    created_at: float
    changed_at: float
    checked_at: float
    pages: tuple[Page, ...] = ()
    page: str = ""
    state: ConnectionState = ConnectionState.CONNECTED
    reason: str = ""
    expires_at: float | None = None

    @property
    def is_usable(self) -> bool:
        """Whether it works, as far as is known."""
        return self.state is ConnectionState.CONNECTED


@dataclass(frozen=True, slots=True)
class Held:
    """The tokens of a connection.

    Attributes:
        pages: id of a page to its token.
        sealed: what they were read from; "" for those that never were.
    """

    tokens: Tokens
    pages: Mapping[str, str] = field(default_factory=dict, repr=False)
    sealed: str = field(default="", repr=False, compare=False)

    def is_same(self, other: Held) -> bool:
        """Whether these are the account's tokens of the other; sealed anew, or with other pages, they are."""
        mine, others = self.tokens, other.tokens
        return (mine.access, mine.refresh) == (others.access, others.refresh)


async def list_records(connection: AsyncConnection) -> list[Connection]:
    """All of them, oldest first."""
    rows = await connection.execute(select(connections).order_by(connections.c.created_at, connections.c.id))
    return [_from_row(row) for row in rows.mappings()]


async def find_record(connection: AsyncConnection, connection_id: str) -> Connection | None:
    """One of them."""
    row = await _row(connection, connection_id)
    return _from_row(row) if row is not None else None


async def find_account(
    connection: AsyncConnection, platform: str, subject: str, owner: str
) -> Connection | None:
    """The connection to an account that was connected before."""
    found = select(connections).where(
        connections.c.platform == platform, connections.c.subject == subject, connections.c.owner == owner
    )
    row = (await connection.execute(found)).mappings().first()
    return _from_row(row) if row is not None else None


async def read_tokens(connection: AsyncConnection, vault: Sealer, connection_id: str) -> Held | None:
    """The tokens of a connection; None where there are none any more.

    Raises:
        VaultError: they cannot be opened.
    """
    row = await _row(connection, connection_id)
    if row is None or not row["sealed"]:
        return None
    kept = json.loads(vault.open(row["sealed"], tokens_context(connection_id)))
    scopes = frozenset(row["scopes"].split())
    tokens = Tokens(kept["access"], kept["refresh"], kept["expires_at"], scopes, kept["refresh_expires_at"])
    return Held(tokens, kept["pages"], row["sealed"])


async def store_record(connection: AsyncConnection, vault: Sealer, record: Connection, held: Held) -> None:
    """Keep a connection with its tokens, new or instead of what was there."""
    values = {
        **_to_row(record),
        "sealed": _seal(vault, record.id, held),
        "expires_at": held.tokens.lasts_until,
    }
    changed = await connection.execute(
        update(connections).where(connections.c.id == record.id).values(values)
    )
    if changed.rowcount == 0:
        await connection.execute(insert(connections).values({"id": record.id, **values}))


async def store_tokens(
    connection: AsyncConnection, vault: Sealer, connection_id: str, held: Held, now: float
) -> Held | None:
    """Keep refreshed tokens in the place of what `held` was read from.

    Returns:
        As they are stored; None when the connection is gone, or something else stands there by now.
    """
    sealed = _seal(vault, connection_id, held)
    changed = await mark(
        connection,
        connection_id,
        read=held.sealed,
        sealed=sealed,
        expires_at=held.tokens.lasts_until,
        checked_at=now,
    )
    return replace(held, sealed=sealed) if changed else None


async def mark(connection: AsyncConnection, connection_id: str, *, read: str = "", **values: Any) -> bool:
    """Change columns of one that may be gone; only while its tokens are stored as `read`, unless that is "".

    Returns:
        False when it is gone, or has other tokens.
    """
    changing = update(connections).where(connections.c.id == connection_id).values(values)
    if read:
        changing = changing.where(connections.c.sealed == read)
    return (await connection.execute(changing)).rowcount > 0


async def take_back(connection: AsyncConnection, connection_id: str, reason: str, now: float) -> bool:
    """Have a connection work again that was marked as broken for this reason; False if it was not."""
    broken = (connections.c.state == ConnectionState.RECONNECT.value) & (connections.c.reason == reason)
    working = {"state": ConnectionState.CONNECTED.value, "reason": "", "changed_at": now}
    changed = await connection.execute(
        update(connections).where(connections.c.id == connection_id, broken).values(working)
    )
    return changed.rowcount > 0


async def remove_record(connection: AsyncConnection, connection_id: str) -> None:
    """Forget a connection and its tokens."""
    await connection.execute(delete(connections).where(connections.c.id == connection_id))


async def erase_owned(connection: AsyncConnection, principal_id: str) -> None:
    """Forget an account's own connections with the account, in the transaction that deletes it.

    The platforms are not told: that takes longer than a transaction may. Who wants them to be told
    disconnects first.
    """
    await connection.execute(delete(connections).where(connections.c.owner == principal_id))


async def _row(connection: AsyncConnection, connection_id: str) -> Mapping[Any, Any] | None:
    found = select(connections).where(connections.c.id == connection_id)
    return (await connection.execute(found)).mappings().first()


def _seal(vault: Sealer, connection_id: str, held: Held) -> str:
    kept = {
        "access": held.tokens.access,
        "refresh": held.tokens.refresh,
        "expires_at": held.tokens.expires_at,
        "refresh_expires_at": held.tokens.refresh_expires_at,
        "pages": dict(held.pages),
    }
    return vault.seal(json.dumps(kept).encode(), tokens_context(connection_id))


def _to_row(record: Connection) -> dict[str, Any]:
    return {
        "platform": record.platform,
        "owner": record.owner,
        "subject": record.subject[:256],
        "name": record.name[:256],
        "client_id": record.client_id,
        "scopes": " ".join(sorted(record.scopes)),
        "pages": json.dumps([{"id": page.id, "name": page.name} for page in record.pages]),
        "page": record.page,
        "state": record.state.value,
        "reason": record.reason,
        "checked_at": record.checked_at,
        "created_at": record.created_at,
        "changed_at": record.changed_at,
    }


def _from_row(row: Mapping[Any, Any]) -> Connection:
    return Connection(
        id=row["id"],
        platform=row["platform"],
        owner=row["owner"],
        subject=row["subject"],
        name=row["name"],
        client_id=row["client_id"],
        scopes=frozenset(row["scopes"].split()),
        created_at=row["created_at"],
        changed_at=row["changed_at"],
        checked_at=row["checked_at"],
        pages=tuple(Page(page["id"], page["name"]) for page in json.loads(row["pages"])),
        page=row["page"],
        state=ConnectionState(row["state"]),
        reason=row["reason"],
        expires_at=row["expires_at"],
    )
