"""`[audit]`: how long it is kept who did what."""

from __future__ import annotations

from pydantic import Field

from streamer.sections.base import Section


class AuditConfig(Section):
    """The audit log; 0 days keeps it for ever."""

    keep_days: float = Field(365.0, ge=0, le=36_500)
