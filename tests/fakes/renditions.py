"""What tests of a stream's renditions share."""

from __future__ import annotations

import time

from streamer.hub.rendition import Rendition


def is_taken(rendition: Rendition) -> bool:
    """Whether it runs for somebody's sake: a rendition may linger for a while without a sink."""
    rendition.expire(time.monotonic() + 3600)
    return rendition.active
