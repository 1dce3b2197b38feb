"""`[webrtc]`: the port that browsers reach, and how media is sent to them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from streamer.sections.base import AdvertisedAddress, ListenAddress, Section


class WebRtcConfig(Section):
    """Browsers: one port for every viewer, UDP and TCP."""

    listen: ListenAddress = "127.0.0.1:8189"
    advertise: tuple[AdvertisedAddress, ...] = ()
    threads: int = Field(0, ge=0, le=256)
    cipher: Literal["auto", "openssl"] = "auto"
    max_viewers: int = Field(10_000, ge=1)
    playout_delay_min_ms: int = Field(0, ge=0, le=40_950)
    playout_delay_max_ms: int = Field(1000, ge=0, le=40_950)

    @field_validator("listen")
    @classmethod
    def _numeric(cls, listen: str) -> str:
        # The plane binds one address, and this name stands for two.
        return "127.0.0.1" + listen.removeprefix("localhost") if listen.startswith("localhost:") else listen

    @model_validator(mode="after")
    def _ordered(self) -> WebRtcConfig:
        if self.playout_delay_min_ms > self.playout_delay_max_ms:
            raise ValueError("expected playout_delay_min_ms not above playout_delay_max_ms")
        return self
