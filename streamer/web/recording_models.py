"""What the API takes and answers with about recordings. Field names carry their units."""

from __future__ import annotations

from pydantic import BaseModel, Field, model_validator

from streamer.web.inputs import Query

#: Ten years: no recording is that long.
_MOST_S = 315_360_000.0


class RecordingsQuery(Query):
    """Which recordings; the latest first."""

    #: Of one stream alone.
    stream: str | None = None
    #: Begun before, seconds since 1970: the rest of a list that was longer.
    before: float | None = None
    limit: int = Field(1000, ge=1, le=10_000)


class ClipQuery(Query):
    """Which part of a recording."""

    #: Seconds from its beginning; it begins with the keyframe of that moment or before.
    from_s: float = Field(0.0, ge=0.0, le=_MOST_S)
    #: Null: all that is there.
    to_s: float | None = Field(None, gt=0.0, le=_MOST_S)

    @model_validator(mode="after")
    def _is_in_order(self) -> ClipQuery:
        if self.to_s is not None and self.from_s >= self.to_s:
            raise ValueError("to_s: expected more than from_s")
        return self


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
