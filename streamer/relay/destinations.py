"""The destinations that are kept in the database. Whoever uses this opens the transaction."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.vault.sealing import Sealer
from streamer.relay.destination import Destination, Settings
from streamer.relay.errors import NoSuchDestination, RelayRefused
from streamer.relay.tables import destination_context, destinations, memories


def new_id() -> str:
    """An id for a new destination."""
    return secrets.token_hex(8)


async def list_destinations(connection: AsyncConnection, vault: Sealer) -> list[Destination]:
    """All of them, oldest first."""
    rows = await connection.execute(
        select(destinations).order_by(destinations.c.created_at, destinations.c.id)
    )
    return [_from_row(row, vault) for row in rows.mappings()]


async def add_destination(
    connection: AsyncConnection, vault: Sealer, destination: Destination, now: float
) -> None:
    """Keep a new one.

    Raises:
        RelayRefused: the stream has one of this name.
    """
    row = {"id": destination.id, "created_at": now, **_to_row(destination, vault, now)}
    try:
        await connection.execute(insert(destinations).values(row))
    except IntegrityError:
        raise _taken(destination) from None


async def change_destination(
    connection: AsyncConnection, vault: Sealer, destination: Destination, now: float
) -> None:
    """Keep what it is now.

    Raises:
        NoSuchDestination: it is not there any more.
        RelayRefused: the stream has another one of this name.
    """
    where = destinations.c.id == destination.id
    try:
        result = await connection.execute(
            update(destinations).where(where).values(_to_row(destination, vault, now))
        )
    except IntegrityError:
        raise _taken(destination) from None
    if result.rowcount == 0:
        raise NoSuchDestination(destination.id)


async def remove_destination(connection: AsyncConnection, id: str) -> None:
    """Forget it, and what its relay remembered.

    Raises:
        NoSuchDestination: it is not there.
    """
    result = await connection.execute(delete(destinations).where(destinations.c.id == id))
    if result.rowcount == 0:
        raise NoSuchDestination(id)
    await connection.execute(delete(memories).where(memories.c.relay == id))


def _to_row(destination: Destination, vault: Sealer, now: float) -> dict[str, Any]:
    passphrase = destination.passphrase
    hidden = {
        "key": destination.key.get_secret_value(),
        "passphrase": passphrase.get_secret_value() if passphrase is not None else "",
    }
    sealed = vault.seal(json.dumps(hidden).encode(), destination_context(destination.id))
    return {
        "stream": destination.stream,
        "name": destination.name,
        "settings": destination.settings.model_dump_json(),
        "sealed": sealed if any(hidden.values()) else "",
        "changed_at": now,
        "revision": secrets.randbits(31),
    }


def _from_row(row: Mapping[Any, Any], vault: Sealer) -> Destination:
    sealed = row["sealed"]
    hidden = json.loads(vault.open(sealed, destination_context(row["id"]))) if sealed else {}
    passphrase = hidden.get("passphrase")
    return Destination(
        id=row["id"],
        stream=row["stream"],
        name=row["name"],
        settings=Settings.model_validate_json(row["settings"]),
        key=SecretStr(hidden.get("key", "")),
        passphrase=SecretStr(passphrase) if passphrase else None,
    )


def _taken(destination: Destination) -> RelayRefused:
    return RelayRefused(f"{destination.stream!r} has a destination called {destination.name!r} already")
