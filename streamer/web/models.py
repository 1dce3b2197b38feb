"""What the API answers with. Field names carry their units."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from streamer.web.recording_models import RecorderModel


class TrackModel(BaseModel):
    """One elementary stream."""

    id: int
    kind: str
    codec: str
    profile: str
    width: int
    height: int
    sample_rate: int
    channels: int
    has_b_frames: bool
    language: str


class LegModel(BaseModel):
    """What media really comes or goes out with, and how that is known."""

    cipher: str
    key_state: str
    checked: str


class PublisherModel(BaseModel):
    """Who feeds a stream; `statistics` depends on the protocol."""

    id: str
    protocol: str
    address: str
    since: float
    encryption: LegModel | None
    statistics: dict[str, Any]


class IngestModel(BaseModel):
    """What the source is doing, and why it is not live."""

    state: str
    reason: str
    since: float


class RenditionModel(BaseModel):
    """A coding the server makes itself while somebody needs it."""

    name: str
    active: bool
    skipped_units: int


class EndToEndModel(BaseModel):
    """How frames are encrypted before they are packetised, and with which key now."""

    format: str
    algorithm: str
    key_index: int


class ContentKeyModel(BaseModel):
    """One content key; `state` is "current", "next" or "previous"."""

    index: int
    state: str
    #: Base64.
    key: str


class ContentKeysModel(BaseModel):
    """What a player needs to decrypt a stream."""

    stream: str
    format: str
    algorithm: str
    keys: list[ContentKeyModel]
    #: Seconds since 1970: when the next key takes over, if nobody is removed before.
    rotates_at: float
    #: When to ask again, so that not all players ask in the same instant.
    ask_again_s: float


class StreamModel(BaseModel):
    """One stream."""

    name: str
    title: str
    state: str
    #: The floor: "none", "aes-128" or "aes-256".
    encryption: str
    public: bool
    source: str
    on_demand: bool
    ingest: IngestModel
    publisher: PublisherModel | None
    tracks: list[TrackModel]
    bitrate_bps: int
    fps: float
    keyframe_interval_s: float
    bytes_received: int
    uptime_s: float
    timeline_jumps: int
    viewers: int
    renditions: list[RenditionModel]
    e2e: EndToEndModel | None
    #: Null for a stream that is not to be recorded.
    recording: RecorderModel | None
    warnings: list[str]


class StreamsModel(BaseModel):
    """All streams."""

    streams: list[StreamModel]


class ViewerModel(BaseModel):
    """One viewer."""

    id: str
    stream: str
    state: str
    address: str
    protocol: str
    user_agent: str
    since: float
    video_codec: str
    video_source: str
    #: 0 for the full picture, 1 to 3 for a smaller one, as its line does not carry that; 4 for stills.
    video_rung: int
    audio_codec: str
    #: SRTP protection profile: what its media is encrypted with.
    cipher: str
    #: Of the handshake that made the keys.
    dtls_version: str
    dtls_cipher: str
    #: How its WHEP exchange travelled.
    signalling: str
    packets_sent: int
    bytes_sent: int
    packets_dropped: int
    retransmitted: int
    #: Asked for and not sent again: too old, or more than its share.
    rtx_refused: int
    nacks: int
    plis: int
    video_lost: int
    audio_lost: int
    video_fraction_lost: float
    video_jitter_ms: float
    rtt_ms: float
    remb_bps: int


class HlsViewerModel(BaseModel):
    """One viewer over HTTP; `user` is empty for nobody known."""

    id: str
    stream: str
    address: str
    user: str
    user_agent: str
    since: float
    #: How it travels.
    signalling: str
    bytes_sent: int


class FailedViewerModel(BaseModel):
    """Somebody who was answered and then could not connect, and why."""

    id: str
    stream: str
    address: str
    user_agent: str
    at: float
    reason: str


class ViewersModel(BaseModel):
    """All viewers, and the last ones that could not connect."""

    viewers: list[ViewerModel]
    over_hls: list[HlsViewerModel]
    failed: list[FailedViewerModel]


class ReaderModel(BaseModel):
    """Somebody who reads a stream over SRT or RTSP; `user` is empty for nobody known."""

    id: str
    protocol: str
    stream: str
    address: str
    user: str
    since: float
    encryption: LegModel | None
    #: Pictures and sounds left out as the link had no room; what libsrt gave up stands in `statistics`.
    skipped_units: int
    statistics: dict[str, Any]


class ReadersModel(BaseModel):
    """All who read over SRT or RTSP."""

    readers: list[ReaderModel]


class LiveVideo(BaseModel):
    """The picture, for a page."""

    codec: str
    width: int
    height: int
    fps: float


class LiveAudio(BaseModel):
    """The sound, for a page."""

    codec: str
    sample_rate: int
    channels: int


class LiveStream(BaseModel):
    """One stream as the pages show it: nothing that only its owner should know."""

    name: str
    title: str
    live: bool
    state: str
    video: LiveVideo | None
    audio: LiveAudio | None
    bitrate_bps: int
    viewers: int
    uptime_s: float
    thumbnail: str | None
    #: The floor, and what the publisher's media really comes with; "" while unknown.
    encryption: str
    publisher_cipher: str
    publisher_key_state: str
    e2e: EndToEndModel | None
    warnings: list[str]


class LiveModel(BaseModel):
    """The streams that the asker may watch, and where encoders call."""

    streams: list[LiveStream]
    srt_port: int
    #: How this very request travelled.
    signalling: str


class CertificateModel(BaseModel):
    """What HTTPS shows.

    `source` is "files", "acme" or "" for plain HTTP; `state` is "valid", "expired" (or not valid yet),
    "waiting" (for the first one), "failed" (the last attempt; one from before may still be in force) or
    "off".
    """

    source: str
    state: str
    names: list[str]
    issuer: str
    not_after: float | None
    #: When an ACME certificate is asked for next.
    next_attempt: float | None
    last_error: str


class ServerModel(BaseModel):
    """The server itself."""

    version: str
    plane: str
    plane_cipher: str
    uptime_s: float
    loop_lag_ms: float
    #: From an access unit's writing until all its viewers' packets are with the kernel, last ten seconds.
    send_delay_p50_ms: float | None
    send_delay_p99_ms: float | None
    send_delay_max_ms: float | None
    webrtc_candidates: list[str]
    tls: CertificateModel


class HealthModel(BaseModel):
    """Whether it works."""

    status: str
