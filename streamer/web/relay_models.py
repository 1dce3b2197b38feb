"""What the API takes and answers about relays and destinations. Nothing here shows a key."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from streamer.web.inputs import Body, Query

Platform = Literal["custom", "youtube", "facebook", "twitch"]
When = Literal["manual", "publishing", "scheduled"]


class RelayStatisticsModel(BaseModel):
    """What has been sent of this broadcast, over all its connections, and how the present one does."""

    bitrate_bps: int
    bytes_sent: int
    pictures_sent: int
    pictures_dropped: int
    sounds_sent: int
    sounds_dropped: int
    #: Units of the stream that could not be taken in time.
    units_skipped: int
    #: Wait in the server.
    queued_bytes: int
    #: Are on the way, or wait in the machine's kernel; null where that cannot be told.
    unacknowledged_bytes: int | None
    #: How old the oldest of both is, to half a second; what is 8 s old is dropped.
    lag_s: float
    rtt_ms: float | None
    reconnects: int
    position_ms: int


class RelayHealthModel(BaseModel):
    """What the platform itself says; `state` is "unknown", "waiting", "good", "poor", "bad" or "ended"."""

    state: str
    issues: list[str]
    viewers: int | None


class RelayModel(BaseModel):
    """One stream on its way to one destination."""

    id: str
    stream: str
    name: str
    platform: str
    #: Without key, credentials and parameters; "" where the platform says where to push.
    url: str
    #: It stands in the configuration.
    fixed: bool
    when: str
    state: str
    reason: str
    troubles: list[str]
    since: float
    began_at: float | None
    #: A still picture is shown, because the publisher is away.
    slate: bool
    #: The picture is coded anew for this destination.
    transcoded: bool
    watch_url: str
    #: What the connection is encrypted with, and the address it goes to; "" without one.
    encryption: str
    peer: str
    statistics: RelayStatisticsModel
    health: RelayHealthModel | None


class RelaysModel(BaseModel):
    """Every relay that the asker may manage."""

    relays: list[RelayModel]


class DestinationModel(BaseModel):
    """Where a stream can be sent. Its key and passphrase can be set and never be read."""

    id: str
    stream: str
    name: str
    fixed: bool
    platform: str
    account: str
    url: str
    has_key: bool
    has_passphrase: bool
    title: str
    description: str
    privacy: str
    latency: str
    category: str
    page: str
    made_for_kids: bool
    when: str
    starts_at: float | None
    ends_at: float | None
    pbkeylen: int
    latency_ms: int
    h265: bool
    silence: bool
    slate_s: float
    rotate_s: float


class DestinationsModel(BaseModel):
    """Every destination that the asker may manage."""

    destinations: list[DestinationModel]


class OfStream(Query):
    """Which stream's; "" for all that the asker may manage."""

    stream: str = ""


class DestinationChange(Body):
    """What can be said of a destination. What is left out stays as it is, or has its default."""

    name: str | None = Field(None, max_length=64)
    platform: Platform | None = None
    account: str | None = Field(None, max_length=64)
    url: str | None = Field(None, max_length=1024)
    #: Stream key; of an SRT destination its stream id.
    key: str | None = Field(None, max_length=512, json_schema_extra={"writeOnly": True})
    passphrase: str | None = Field(None, max_length=79, json_schema_extra={"writeOnly": True})
    title: str | None = Field(None, max_length=100)
    description: str | None = Field(None, max_length=5000)
    privacy: Literal["public", "unlisted", "private"] | None = None
    latency: Literal["normal", "low", "ultra-low"] | None = None
    category: str | None = Field(None, max_length=100)
    page: str | None = Field(None, max_length=64)
    made_for_kids: bool | None = None
    when: When | None = None
    starts_at: float | None = Field(None, ge=0)
    ends_at: float | None = Field(None, ge=0)
    pbkeylen: Literal[16, 24, 32] | None = None
    latency_ms: int | None = Field(None, ge=20, le=8000)
    h265: bool | None = None
    silence: bool | None = None
    slate_s: float | None = Field(None, ge=0, le=86_400)
    rotate_s: float | None = Field(None, ge=0, le=604_800)


class NewDestination(DestinationChange):
    """A destination to be."""

    stream: str = Field(max_length=64)
    name: str = Field(max_length=64)
