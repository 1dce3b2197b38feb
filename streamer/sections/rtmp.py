"""`[rtmp]`: the listener for encoders that speak RTMP or RTMPS."""

from __future__ import annotations

from streamer.sections.base import ListenAddress, Section


class RtmpConfig(Section):
    """Off unless an address is given, as RTMP is not encrypted. RTMPS takes the certificate of `[http]`."""

    listen: ListenAddress | None = None
