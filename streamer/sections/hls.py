"""`[hls]`: streams over HTTP, for players that have no WebRTC and networks that let nothing else through."""

from __future__ import annotations

from pydantic import Field, model_validator

from streamer.sections.base import Section


class HlsConfig(Section):
    """Segments are made while somebody fetches them, on the port of `[http]`."""

    enabled: bool = True
    segment_s: float = Field(2.0, ge=1.0, le=10.0)
    part_ms: int = Field(500, ge=100, le=2000)
    max_viewers: int = Field(1000, ge=1, le=100_000)

    @model_validator(mode="after")
    def _fitting(self) -> HlsConfig:
        if self.part_ms > self.segment_s * 1000:
            raise ValueError("expected part_ms not above segment_s")
        return self
