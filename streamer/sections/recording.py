"""`[recording]`: where streams with `record = true` are kept, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from streamer.sections.base import Section


class RecordingConfig(Section):
    """Files by stream; a folder in the state directory unless said. `keep_days` 0 is for ever."""

    dir: Path | None = None
    file_s: float = Field(3600.0, ge=10, le=86_400)
    keep_days: float = Field(0.0, ge=0, le=36_500)
    #: The database is mostly on the same disk.
    keep_free_bytes: int = Field(1_000_000_000, ge=0)
    when_full: Literal["stop", "remove_oldest"] = "stop"

    def folder(self, state: Path) -> Path:
        """Where they are, of a server whose state directory is `state`."""
        return self.dir if self.dir is not None else state / "recordings"
