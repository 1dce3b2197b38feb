"""What is decided on shares, and indexes from which questions about a year are answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"


def upgrade() -> None:
    """Make them; the one by grain becomes one that answers by itself."""
    op.drop_index("ix_engagement_bucket_grain", "engagement_bucket")
    op.create_index(
        "ix_engagement_bucket_totals",
        "engagement_bucket",
        ["grain", "start", "stream", "plays", "watch_s", "bytes", "peak"],
    )
    op.add_column("engagement_share", sa.Column("told", sa.Integer(), nullable=False, server_default="0"))
    op.create_index(
        "ix_engagement_share_parts",
        "engagement_share",
        ["stream", "dimension", "day", "told", "value", "viewers", "plays", "watch_s", "bytes"],
    )
    is_undecided = sa.text("told = 0")
    op.create_index(
        "ix_engagement_share_undecided",
        "engagement_share",
        ["day", "stream"],
        sqlite_where=is_undecided,
        postgresql_where=is_undecided,
    )
    # As `streamer.engagement.tables.LONG_S` has it.
    is_long = sa.text("watch_s > 21600")
    op.create_index(
        "ix_engagement_session_long",
        "engagement_session",
        ["ended_at"],
        sqlite_where=is_long,
        postgresql_where=is_long,
    )


def downgrade() -> None:
    """As it was."""
    op.drop_index("ix_engagement_session_long", "engagement_session")
    op.drop_index("ix_engagement_share_undecided", "engagement_share")
    op.drop_index("ix_engagement_share_parts", "engagement_share")
    with op.batch_alter_table("engagement_share") as table:
        table.drop_column("told")
    op.drop_index("ix_engagement_bucket_totals", "engagement_bucket")
    op.create_index("ix_engagement_bucket_grain", "engagement_bucket", ["grain", "start"])
