"""The keys that recordings are encrypted with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "recording_key",
        sa.Column("kid", sa.String(16), nullable=False),
        sa.Column("sealed", sa.String(512), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_recording_key")),
    )


def downgrade() -> None:
    """Remove it again: what is encrypted stays so for good."""
    op.drop_table("recording_key")
