"""`[engagement]`: what is kept about who watched, and for how long."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from streamer.sections.base import Section


class EngagementConfig(Section):
    """Viewing sessions and their sums.

    Attributes:
        geoip: a MaxMind-format database of countries or cities.
        k_threshold: what fewer viewers than this have in common is withheld.
    """

    enabled: bool = True
    geoip: Path | None = None
    retention_days: int = Field(30, ge=1, le=3650)
    minute_days: int = Field(7, ge=1, le=366)
    hour_days: int = Field(400, ge=1, le=3660)
    k_threshold: int = Field(5, ge=1, le=1000)
    flush_s: float = Field(10.0, ge=1.0, le=60.0)
    spool_bytes: int = Field(64 * 1024 * 1024, ge=65_536)

    @model_validator(mode="after")
    def _hours_as_long_as_minutes(self) -> EngagementConfig:
        # A span is minutes at its ends, and hours between them.
        if self.hour_days < self.minute_days:
            raise ValueError(
                f"hour_days is {self.hour_days}; expected at least minute_days, {self.minute_days}, "
                "as whole hours are answered from the sums by the hour"
            )
        return self
