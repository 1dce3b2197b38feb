"""Viewing sessions and their sums, salts of pseudonyms, requests of people about their data."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"

_COUNTED = (
    *(
        "watch_s",
        "bytes",
        "packets",
        "lost",
        "retransmitted",
        "nacks",
        "plis",
        "frozen_s",
        "freezes",
        "decoded",
    ),
    *("dropped", "audible_s", "visible_s", "rtt_ms_s", "rtt_s", "jitter_ms_s", "buffer_ms_s"),
)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "engagement_session",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("stream", sa.String(64), nullable=False),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("protocol", sa.String(16), nullable=False),
        sa.Column("viewer", sa.String(32), nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("network", sa.String(64), nullable=False),
        sa.Column("device", sa.String(16), nullable=False),
        sa.Column("browser", sa.String(32), nullable=False),
        sa.Column("country", sa.String(8), nullable=False),
        sa.Column("region", sa.String(16), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        *(
            sa.Column(name, sa.Double())
            for name in ("join_ms", "start_ms", "quality", "rtt_ms", "jitter_ms", "buffer_ms")
        ),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("width", "height")),
        sa.Column("watch_s", sa.Double(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _COUNTED[1:7]),
        sa.Column("frozen_s", sa.Double(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _COUNTED[8:11]),
        *(sa.Column(name, sa.Double(), nullable=False) for name in _COUNTED[11:13]),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_engagement_session")),
    )
    op.create_index("ix_engagement_session_stream", "engagement_session", ["stream", "ended_at"])
    op.create_index("ix_engagement_session_ended_at", "engagement_session", ["ended_at"])
    op.create_index("ix_engagement_session_account", "engagement_session", ["account"])
    op.create_table(
        "engagement_bucket",
        sa.Column("stream", sa.String(64), nullable=False),
        sa.Column("grain", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("node", sa.String(64), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("plays", "failed", "ended")),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("peak", "viewers")),
        *(sa.Column(name, sa.Double(), nullable=False) for name in _COUNTED),
        *(
            sa.Column(name, sa.LargeBinary(), nullable=False)
            for name in ("starts", "qualities", "watched", "visitors")
        ),
        sa.PrimaryKeyConstraint("stream", "grain", "start", "node", name=op.f("pk_engagement_bucket")),
    )
    op.create_index("ix_engagement_bucket_grain", "engagement_bucket", ["grain", "start"])
    op.create_table(
        "engagement_share",
        sa.Column("stream", sa.String(64), nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("dimension", sa.String(16), nullable=False),
        sa.Column("value", sa.String(32), nullable=False),
        sa.Column("plays", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=False) for name in ("watch_s", "bytes")),
        sa.Column("viewers", sa.Integer(), nullable=False),
        sa.Column("visitors", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "day", "dimension", "value", name=op.f("pk_engagement_share")),
    )
    op.create_table(
        "engagement_batch",
        sa.Column("id", sa.String(96), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_engagement_batch")),
    )
    op.create_index("ix_engagement_batch_at", "engagement_batch", ["at"])
    op.create_table(
        "engagement_salt",
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.String(512), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_engagement_salt")),
    )
    op.create_table(
        "privacy_request",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("requested_at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("completed_at", sa.Double()),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_request")),
    )
    op.create_index("ix_privacy_request_due_at", "privacy_request", ["due_at"])


def downgrade() -> None:
    """Remove everything again."""
    for table in (
        "privacy_request",
        "engagement_salt",
        "engagement_batch",
        "engagement_share",
        "engagement_bucket",
    ):
        op.drop_table(table)
    op.drop_table("engagement_session")
