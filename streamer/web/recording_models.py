"""What the API takes and answers with about recordings. Field names carry their units."""

from __future__ import annotations

from pydantic import BaseModel, Field

from streamer.web.inputs import Query


class RecordingsQuery(Query):
    """Which recordings; the latest first."""

    #: Of one stream alone.
    stream: str | None = None
    #: Begun before, seconds since 1970: the rest of a list that was longer.
    before: float | None = None
    limit: int = Field(1000, ge=1, le=10_000)


class RecordedTrackModel(BaseModel):
    """One track of a recording."""

    kind: str
    codec: str
    width: int
    height: int
    sample_rate: int
    channels: int


class RecordingModel(BaseModel):
    """One file; `complete` is false while it is being written."""

    id: str
    stream: str
    #: Seconds since 1970.
    began_at: float
    duration_s: float
    bytes: int
    complete: bool
    tracks: list[RecordedTrackModel]


class RecordingsModel(BaseModel):
    """Recordings, the latest first."""

    recordings: list[RecordingModel]


class RecorderModel(BaseModel):
    """What the recording of a stream does now."""

    #: Of what is being written; null while nothing is.
    id: str | None
    since: float | None
    bytes: int
    #: Pictures and sounds that were left out, as the disk or the machine was too slow.
    skipped_units: int
    #: Why nothing is written, or not everything; "" while all is well.
    problem: str
