"""What the API tells of audiences, and how it is asked. Times are seconds since 1970, UTC."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from streamer.web.inputs import Body, Query

_LATEST = 4_102_444_800.0  # 2100


def _time(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(_EXPECTED) from None
        seconds = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(seconds) or not 0 <= seconds <= _LATEST:
        raise ValueError(_EXPECTED)
    return seconds


_EXPECTED = "expected seconds since 1970, or a time such as 2026-11-25T18:00:00Z"
Time = Annotated[float, BeforeValidator(_time)]


class SpanQuery(Query):
    """From when until when; the last day unless said otherwise."""

    from_: Time | None = Field(
        None, alias="from", description="Seconds since 1970 or ISO 8601; 24 h before `to`"
    )
    to: Time | None = Field(None, description="Seconds since 1970 or ISO 8601; now")


class StreamSpanQuery(SpanQuery):
    """Of which stream besides; of all unless said otherwise."""

    stream: str = Field("", max_length=64)


class BreakdownQuery(SpanQuery):
    """By what besides."""

    by: Literal["protocol", "device", "browser", "country", "region"] = "country"


class SessionsQuery(SpanQuery):
    """How many besides, and after which."""

    limit: int = Field(100, ge=1, le=1000)
    before: str = Field("", max_length=128, description="`next` of the answer before")


class ExportQuery(SpanQuery):
    """In which form besides."""

    format: Literal["csv", "jsonl"] = "csv"


class BeaconBody(Body):
    """What a player reports of its session so far; times, pictures and freezes are totals."""

    last: bool = Field(False, description="The player goes; nothing more follows")

    watch_s: float = Field(0, ge=0, le=1e7)
    frozen_s: float = Field(0, ge=0, le=1e7)
    freezes: int = Field(0, ge=0, le=10_000_000)
    decoded: int = Field(0, ge=0, le=10**10)
    dropped: int = Field(0, ge=0, le=10**10)
    audible_s: float = Field(0, ge=0, le=1e7)
    visible_s: float = Field(0, ge=0, le=1e7)
    first_frame_ms: float | None = Field(None, ge=0, le=600_000)
    buffer_ms: float | None = Field(None, ge=0, le=60_000)
    width: int = Field(0, ge=0, le=32_768)
    height: int = Field(0, ge=0, le=32_768)


class LiveAudience(BaseModel):
    """One stream now. `quality` is the mean score, null while nobody has one."""

    name: str
    title: str
    live: bool
    viewers: int
    peak_viewers: int
    unique_viewers_today: int | None
    quality: float | None
    platform_viewers: dict[str, int]


class LiveAudiences(BaseModel):
    """All streams that the asker manages."""

    streams: list[LiveAudience]
    viewers: int
    at: float


class RetentionPoint(BaseModel):
    """`share` of those who began still watches after `seconds`."""

    seconds: int
    share: float


class Percentiles(BaseModel):
    """Null without a single value."""

    p5: float | None = None
    p25: float | None = None
    p50: float | None = None
    p75: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None


class StreamAnalytics(BaseModel):
    """An audience in a span of time, which `from` and `to` give as far as it could be told apart."""

    stream: str
    from_: int = Field(serialization_alias="from")
    to: int
    plays: int
    failed: int
    unique_viewers: int
    peak_viewers: int
    average_viewers: float
    watch_seconds: float
    average_watch_seconds: float
    join_ms_p50: float | None
    join_ms_p95: float | None
    join_ms: Percentiles
    quality: float | None
    quality_percentiles: Percentiles
    quality_histogram: list[int]
    bytes: int
    packets: int
    packets_lost: int
    packets_retransmitted: int
    nacks: int
    plis: int
    loss_ratio: float
    rtt_ms: float | None
    jitter_ms: float | None
    frozen_seconds: float
    freezes: int
    frames_decoded: int
    frames_dropped: int
    audible_seconds: float
    visible_seconds: float
    buffer_ms: float | None
    retention: list[RetentionPoint]


class SeriesPoint(BaseModel):
    """`viewers` is the mean over one step."""

    at: int
    viewers: float
    peak_viewers: int
    plays: int
    bytes: int
    quality: float | None


class SeriesModel(BaseModel):
    """Points in order, `step_seconds` apart; where nobody watched there is none."""

    stream: str
    step_seconds: int
    points: list[SeriesPoint]


class StreamTotal(BaseModel):
    """One stream in a span."""

    name: str
    plays: int
    watch_seconds: float
    peak_viewers: int
    bytes: int


class StreamTotals(BaseModel):
    """The streams that were watched, the most watched first."""

    streams: list[StreamTotal]


class ShareModel(BaseModel):
    """A part of an audience."""

    value: str
    plays: int
    viewers: int
    watch_seconds: float
    bytes: int


class BreakdownModel(BaseModel):
    """An audience by days, in parts of at least `threshold` viewers; what is smaller is in `withheld`."""

    stream: str
    by: str
    from_: int = Field(serialization_alias="from")
    to: int
    threshold: int
    shares: list[ShareModel]
    withheld: bool


class SessionModel(BaseModel):
    """A session that ended. What fewer than the threshold have in common is empty."""

    id: str
    stream: str
    viewer: str
    protocol: str
    device: str
    browser: str
    country: str
    region: str
    started_at: float
    ended_at: float
    reason: str
    join_ms: float | None
    start_ms: float | None
    quality: float | None
    watch_s: float
    audible_s: float
    visible_s: float
    bytes: int
    packets: int
    lost: int
    retransmitted: int
    nacks: int
    plis: int
    rtt_ms: float | None
    jitter_ms: float | None
    buffer_ms: float | None
    width: int
    height: int
    frozen_s: float
    freezes: int
    decoded: int
    dropped: int


class SessionsModel(BaseModel):
    """Sessions, the last one to end first; `next` asks for those before, and is "" when there are none."""

    sessions: list[SessionModel]
    next: str
