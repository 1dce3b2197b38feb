"""Thumbnails from the latest keyframe, rendered when asked for and not more often than needed."""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from dataclasses import dataclass, field

from streamer.hub.stream import Stream
from transport.errors import WireError
from transport.media import AccessUnit
from transport.media.thumbnail import render_thumbnail

_log = logging.getLogger(__name__)

_MIN_AGE_S = 2.0


@dataclass
class _Cached:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    keyframe: AccessUnit | None = None
    picture: bytes | None = None
    rendered_at: float = float("-inf")


class Thumbnails:
    """One picture per stream; a thread decodes, one at a time for each stream."""

    def __init__(self) -> None:
        self._cached: weakref.WeakKeyDictionary[Stream, _Cached] = weakref.WeakKeyDictionary()

    async def picture(self, stream: Stream) -> bytes | None:
        """The JPEG, or None when the stream shows no picture now."""
        keyframe = stream.source.keyframe
        if keyframe is None:
            return None
        cached = self._cached.setdefault(stream, _Cached())
        async with cached.lock:
            young = time.monotonic() - cached.rendered_at < _MIN_AGE_S
            if cached.keyframe is not keyframe and not young:
                cached.keyframe = keyframe
                cached.rendered_at = time.monotonic()
                try:
                    cached.picture = await asyncio.to_thread(render_thumbnail, keyframe)
                except WireError as error:
                    _log.debug("%s: no thumbnail: %s", stream.name, error)
            return cached.picture
