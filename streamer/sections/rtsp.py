"""`[rtsp]`: the listener for players, recorders and encoders that speak RTSP or RTSPS."""

from __future__ import annotations

from pydantic import Field

from streamer.sections.base import ListenAddress, Section


class RtspConfig(Section):
    """Off unless an address is given, as RTSP is not encrypted. RTSPS takes the certificate of `[http]`."""

    listen: ListenAddress | None = None
    max_readers: int = Field(200, ge=0, le=10_000)
