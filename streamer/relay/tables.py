"""Where destinations are kept, and what relays must remember over a restart.

Stream keys and passphrases are sealed by the vault. Times are seconds since 1970, UTC.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Double, Integer, String, Table, Text, UniqueConstraint

from auth.storage.schema import metadata
from auth.vault.rewrap import SealedColumn, register

#: `secrets.token_hex(8)`, with room.
_ID_CHARACTERS = 32
#: Of a destination, or of a stream and the name of one of its fixed relays.
_RELAY_CHARACTERS = 160

destinations = Table(
    "relay_destination",
    metadata,
    Column("id", String(_ID_CHARACTERS), primary_key=True),
    Column("stream", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    # JSON: everything that is neither secret nor looked up by.
    Column("settings", Text, nullable=False),
    # JSON, sealed: stream key and passphrase; "" for neither.
    Column("sealed", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    # 31 bits drawn anew by whoever writes: machines' clocks differ, so that times do not tell of a change.
    Column("revision", Integer, nullable=False, server_default="0"),
    UniqueConstraint("stream", "name"),
)

memories = Table(
    "relay_memory",
    metadata,
    Column("relay", String(_RELAY_CHARACTERS), primary_key=True),
    # Whether it goes on by itself when the server starts again.
    Column("wanted", Boolean, nullable=False),
    # "start" or "stop" from the command line, until the server has seen it.
    Column("command", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    # JSON: which broadcast it is at the platform, since when, and how its picture looks; "" for none.
    Column("broadcast", Text, nullable=False),
    Column("changed_at", Double, nullable=False),
)


def destination_context(id: str) -> str:
    """What a destination's secrets are sealed for."""
    return f"relay-destination:{id}"


register(SealedColumn(destinations, "sealed", lambda row: destination_context(row["id"])))
