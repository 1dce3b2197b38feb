"""Where streams are relayed to, and what relays need to go on after a restart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "relay_destination",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("stream", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_relay_destination")),
        sa.UniqueConstraint("stream", "name", name=op.f("uq_relay_destination_stream")),
    )
    op.create_table(
        "relay_memory",
        sa.Column("relay", sa.String(160), nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("command", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("broadcast", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("relay", name=op.f("pk_relay_memory")),
    )


def downgrade() -> None:
    """Remove them again."""
    op.drop_table("relay_memory")
    op.drop_table("relay_destination")
