"""Where connections to platforms and what was spent of their quotas are kept."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, String, Table, Text

from auth.storage.schema import metadata
from auth.vault.rewrap import SealedColumn, register

connections = Table(
    "auth_connection",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("platform", String(16), nullable=False),
    # The account whose it is; "" for the installation's. No foreign key: disconnecting revokes first.
    Column("owner", String(32), nullable=False),
    # The platform's id and name of the account there.
    Column("subject", String(256), nullable=False),
    Column("name", String(256), nullable=False),
    # The registered application that the tokens belong to.
    Column("client_id", String(256), nullable=False),
    Column("scopes", Text, nullable=False),
    # JSON: what can be published as besides the account itself, without tokens.
    Column("pages", Text, nullable=False),
    Column("page", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    # JSON of all tokens.
    Column("sealed", Text, nullable=False),
    Column("expires_at", Double),
    Column("checked_at", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Index("ix_auth_connection_subject", "platform", "subject", "owner", unique=True),
)

#: Units spent of a platform's daily quota, by registered project.
quota_spent = Table(
    "auth_quota",
    metadata,
    Column("project", String(256), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("units", BigInteger, nullable=False),
)


def tokens_context(connection_id: str) -> str:
    """What the tokens of a connection are sealed for."""
    return f"connection:{connection_id}"


register(SealedColumn(connections, "sealed", lambda row: tokens_context(row["id"])))
