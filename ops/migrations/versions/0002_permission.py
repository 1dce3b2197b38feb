"""Grants, tokens and their signing keys, the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Make the tables, and the head of an empty audit log."""
    op.create_table(
        "auth_grant",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("principal_id", sa.String(32), nullable=False),
        sa.Column("role", sa.String(16)),
        sa.Column("action", sa.String(16)),
        sa.Column("stream", sa.String(65), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("expires_at", sa.Double()),
        sa.Column("granted_by", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(512), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auth_grant")),
        sa.CheckConstraint("(role IS NULL) <> (action IS NULL)", name=op.f("ck_auth_grant_role_or_action")),
    )
    op.create_index("ix_auth_grant_principal_id", "auth_grant", ["principal_id"])
    op.create_table(
        "auth_token_key",
        sa.Column("kid", sa.String(16), nullable=False),
        sa.Column("algorithm", sa.String(16), nullable=False),
        sa.Column("sealed", sa.String(512), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("verifies_until", sa.Double()),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_auth_token_key")),
    )
    op.create_table(
        "auth_token",
        sa.Column("token_id", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("actions", sa.String(128), nullable=False),
        sa.Column("streams", sa.Text(), nullable=False),
        sa.Column("note", sa.String(256), nullable=False),
        sa.Column("issued_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double()),
        sa.Column("used_at", sa.Double()),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_auth_token")),
    )
    op.create_index("ix_auth_token_subject", "auth_token", ["subject"])
    op.create_index("ix_auth_token_expires_at", "auth_token", ["expires_at"])
    op.create_table(
        "auth_token_cutoff",
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("issued_before", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_auth_token_cutoff")),
    )
    op.create_table(
        "auth_audit",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("who", sa.String(256), nullable=False),
        sa.Column("what", sa.String(256), nullable=False),
        sa.Column("address", sa.String(256), nullable=False),
        sa.Column("target", sa.String(256), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("prev", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_auth_audit")),
    )
    op.create_index("ix_auth_audit_at", "auth_audit", ["at"])
    head = op.create_table(
        "auth_audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("removed_seq", sa.BigInteger(), nullable=False),
        sa.Column("removed_hash", sa.String(64), nullable=False),
        sa.Column("signature", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auth_audit_head")),
    )
    nothing = "0" * 64
    op.bulk_insert(
        head,
        [
            {
                "id": 1,
                "seq": 0,
                "hash": nothing,
                "removed_seq": 0,
                "removed_hash": nothing,
                "signature": "",
            }
        ],
    )


def downgrade() -> None:
    """Remove everything again."""
    for table in (
        "auth_audit_head",
        "auth_audit",
        "auth_token_cutoff",
        "auth_token",
        "auth_token_key",
        "auth_grant",
    ):
        op.drop_table(table)
