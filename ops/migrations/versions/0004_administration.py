"""One-time links for passwords; what lists of tokens tell of their limits, and of links."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Make the table, and the columns: of tokens that were issued before, nothing is known."""
    op.create_table(
        "auth_invitation",
        sa.Column("principal_id", sa.String(32), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("forget_factors", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("principal_id", name=op.f("pk_auth_invitation")),
        sa.UniqueConstraint("hash", name=op.f("uq_auth_invitation_hash")),
        sa.ForeignKeyConstraint(
            ["principal_id"],
            ["auth_principal.id"],
            name=op.f("fk_auth_invitation_principal_id_auth_principal"),
            ondelete="CASCADE",
        ),
    )
    with op.batch_alter_table("auth_token") as table:
        table.add_column(sa.Column("limits", sa.Text()))
        table.add_column(sa.Column("link", sa.String(16)))


def downgrade() -> None:
    """Remove everything again."""
    with op.batch_alter_table("auth_token") as table:
        table.drop_column("link")
        table.drop_column("limits")
    op.drop_table("auth_invitation")
