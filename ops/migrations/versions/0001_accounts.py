"""Accounts, what proves them, sessions, the generation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "auth_generation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auth_generation")),
    )
    op.execute("INSERT INTO auth_generation (id, number) VALUES (1, 0)")
    op.create_table(
        "auth_principal",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("folded", sa.String(length=512), nullable=False),
        sa.Column("full_name", sa.String(length=256), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("factor_required", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auth_principal")),
        sa.UniqueConstraint("folded", name=op.f("uq_auth_principal_folded")),
    )
    op.create_table(
        "auth_setup",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auth_setup")),
    )
    op.create_table(
        "auth_api_key",
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("principal_id", sa.String(length=32), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("used_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["principal_id"],
            ["auth_principal.id"],
            name=op.f("fk_auth_api_key_principal_id_auth_principal"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_auth_api_key")),
    )
    op.create_index("ix_auth_api_key_principal_id", "auth_api_key", ["principal_id"])
    op.create_table(
        "auth_identity",
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=512), nullable=False),
        sa.Column("principal_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"],
            ["auth_principal.id"],
            name=op.f("fk_auth_identity_principal_id_auth_principal"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("provider", "subject", name=op.f("pk_auth_identity")),
    )
    op.create_index("ix_auth_identity_principal_id", "auth_identity", ["principal_id"])
    op.create_table(
        "auth_membership",
        sa.Column("group_id", sa.String(length=32), nullable=False),
        sa.Column("member_id", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["auth_principal.id"],
            name=op.f("fk_auth_membership_group_id_auth_principal"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["auth_principal.id"],
            name=op.f("fk_auth_membership_member_id_auth_principal"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("group_id", "member_id", "source", name=op.f("pk_auth_membership")),
    )
    op.create_index("ix_auth_membership_member_id", "auth_membership", ["member_id"])
    op.create_table(
        "auth_passkey",
        sa.Column("id", sa.String(length=1400), nullable=False),
        sa.Column("principal_id", sa.String(length=32), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.String(length=128), nullable=False),
        sa.Column("transports", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["principal_id"],
            ["auth_principal.id"],
            name=op.f("fk_auth_passkey_principal_id_auth_principal"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auth_passkey")),
    )
    op.create_index("ix_auth_passkey_principal_id", "auth_passkey", ["principal_id"])
    op.create_table(
        "auth_password",
        sa.Column("principal_id", sa.String(length=32), nullable=False),
        sa.Column("hash", sa.String(length=512), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"],
            ["auth_principal.id"],
            name=op.f("fk_auth_password_principal_id_auth_principal"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("principal_id", name=op.f("pk_auth_password")),
    )
    op.create_table(
        "auth_recovery_code",
        sa.Column("principal_id", sa.String(length=32), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"],
            ["auth_principal.id"],
            name=op.f("fk_auth_recovery_code_principal_id_auth_principal"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("principal_id", "hash", name=op.f("pk_auth_recovery_code")),
    )
    op.create_table(
        "auth_session",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("handle", sa.String(length=32), nullable=False),
        sa.Column("principal_id", sa.String(length=32), nullable=False),
        sa.Column("method", sa.String(length=64), nullable=False),
        sa.Column("with_factor", sa.Boolean(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("agent", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("proven_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"],
            ["auth_principal.id"],
            name=op.f("fk_auth_session_principal_id_auth_principal"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_auth_session")),
        sa.UniqueConstraint("handle", name=op.f("uq_auth_session_handle")),
    )
    op.create_index("ix_auth_session_expires_at", "auth_session", ["expires_at"])
    op.create_index("ix_auth_session_principal_id", "auth_session", ["principal_id"])
    op.create_table(
        "auth_totp",
        sa.Column("principal_id", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.String(length=1024), nullable=True),
        sa.Column("pending", sa.String(length=1024), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"],
            ["auth_principal.id"],
            name=op.f("fk_auth_totp_principal_id_auth_principal"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("principal_id", name=op.f("pk_auth_totp")),
    )


def downgrade() -> None:
    """Take back."""
    for table in (
        "auth_totp",
        "auth_session",
        "auth_recovery_code",
        "auth_password",
        "auth_passkey",
        "auth_membership",
        "auth_identity",
        "auth_api_key",
        "auth_setup",
        "auth_principal",
        "auth_generation",
    ):
        op.drop_table(table)
