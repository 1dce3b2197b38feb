"""Where engagement is kept. Times are seconds since 1970, UTC.

`buckets` is what questions are answered from: rows by minute, which live for days, by hour and by day. Every
batch is added to all three at once, so there is nothing to roll up later; what is too fine for its age is
deleted. The stream "" stands for all. Single sessions are kept for a month unless configured otherwise.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from auth.storage.schema import metadata
from streamer.engagement.session import COUNTED

_NAME = String(64)
#: Sessions that were watched for longer are few, and found apart from the others; as a constant in SQL, for
#: that an index of some rows is used.
LONG_S = 21_600
IS_LONG = text(f"watch_s > {LONG_S}")
IS_UNDECIDED = text("told = 0")

sessions = Table(
    "engagement_session",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("stream", _NAME, nullable=False),
    Column("node", _NAME, nullable=False),
    Column("protocol", String(16), nullable=False),
    Column("viewer", String(32), nullable=False),
    Column("account", String(64), nullable=False),
    Column("network", String(64), nullable=False),
    Column("device", String(16), nullable=False),
    Column("browser", String(32), nullable=False),
    Column("country", String(8), nullable=False),
    Column("region", String(16), nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double, nullable=False),
    Column("reason", String(200), nullable=False),
    Column("join_ms", Double),
    Column("start_ms", Double),
    Column("quality", Double),
    Column("rtt_ms", Double),
    Column("jitter_ms", Double),
    Column("buffer_ms", Double),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("watch_s", Double, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("packets", BigInteger, nullable=False),
    Column("lost", BigInteger, nullable=False),
    Column("retransmitted", BigInteger, nullable=False),
    Column("nacks", BigInteger, nullable=False),
    Column("plis", BigInteger, nullable=False),
    Column("frozen_s", Double, nullable=False),
    Column("freezes", BigInteger, nullable=False),
    Column("decoded", BigInteger, nullable=False),
    Column("dropped", BigInteger, nullable=False),
    Column("audible_s", Double, nullable=False),
    Column("visible_s", Double, nullable=False),
    Index("ix_engagement_session_stream", "stream", "ended_at"),
    Index("ix_engagement_session_ended_at", "ended_at"),
    Index("ix_engagement_session_account", "account"),
    Index("ix_engagement_session_long", "ended_at", sqlite_where=IS_LONG, postgresql_where=IS_LONG),
)

MINUTE, HOUR, DAY = 0, 1, 2

buckets = Table(
    "engagement_bucket",
    metadata,
    Column("stream", _NAME, primary_key=True),
    Column("grain", SmallInteger, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    # Of minutes, whose peaks add up over machines; "" of hours and days.
    Column("node", _NAME, primary_key=True),
    Column("plays", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("ended", BigInteger, nullable=False),
    Column("peak", Integer, nullable=False),
    # How many are in `visitors`, so that days can be added without reading them.
    Column("viewers", Integer, nullable=False),
    *(Column(name, Double, nullable=False) for name in COUNTED),
    Column("starts", LargeBinary, nullable=False),
    Column("qualities", LargeBinary, nullable=False),
    Column("watched", LargeBinary, nullable=False),
    # Empty in minutes.
    Column("visitors", LargeBinary, nullable=False),
    # The sums of every stream, out of the index alone: the rows are long.
    Index("ix_engagement_bucket_totals", "grain", "start", "stream", "plays", "watch_s", "bytes", "peak"),
)

shares = Table(
    "engagement_share",
    metadata,
    Column("stream", _NAME, primary_key=True),
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("dimension", String(16), primary_key=True),
    Column("value", String(32), primary_key=True),
    Column("plays", BigInteger, nullable=False),
    Column("watch_s", Double, nullable=False),
    Column("bytes", Double, nullable=False),
    Column("viewers", Integer, nullable=False),
    Column("visitors", LargeBinary, nullable=False),
    # See `decisions.py`.
    Column("told", Integer, nullable=False, server_default="0"),
    # The parts of a year, out of the index alone.
    Index(
        "ix_engagement_share_parts",
        *("stream", "dimension", "day", "told", "value", "viewers", "plays", "watch_s", "bytes"),
    ),
    Index(
        "ix_engagement_share_undecided",
        *("day", "stream"),
        sqlite_where=IS_UNDECIDED,
        postgresql_where=IS_UNDECIDED,
    ),
)

#: Batches that were taken, so that none is taken twice.
batches = Table(
    "engagement_batch",
    metadata,
    Column("id", String(96), primary_key=True),
    Column("at", Double, nullable=False),
    # What is to be taken off again when the batch comes that this one stands for; see `rescues.py`.
    Column("rescue", LargeBinary),
    Index("ix_engagement_batch_at", "at"),
)

#: What today's pseudonyms are made with, sealed; see `privacy.py`.
salts = Table(
    "engagement_salt",
    metadata,
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("sealed", String(512), nullable=False),
)

#: What people asked to see or to have erased, and until when that must be done.
requests = Table(
    "privacy_request",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    # Emptied when somebody was erased.
    Column("subject", String(128), nullable=False),
    Column("requested_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("completed_at", Double),
    Column("note", Text, nullable=False),
    Index("ix_privacy_request_due_at", "due_at"),
)
