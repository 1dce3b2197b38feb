"""The streams by name, and what happens to them when the configuration changes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator

from streamer.errors import NoSuchStream
from streamer.hub.stream import Stream
from streamer.sections.stream import StreamConfig

_log = logging.getLogger(__name__)
_TICK_S = 0.25


class Registry:
    """All configured streams.

    `on_change` callbacks run in whichever thread changed a stream; `on_add` and `on_remove` run where `apply`
    does.
    """

    def __init__(self) -> None:
        self._streams: dict[str, Stream] = {}
        self.on_change: list[Callable[[Stream], None]] = []
        self.on_add: list[Callable[[Stream], None]] = []
        self.on_remove: list[Callable[[Stream], None]] = []

    def __iter__(self) -> Iterator[Stream]:
        """The streams in the order of the configuration."""
        return iter(list(self._streams.values()))

    def find(self, name: str) -> Stream:
        """Look a stream up.

        Raises:
            NoSuchStream: it is not configured.
        """
        try:
            return self._streams[name]
        except KeyError:
            raise NoSuchStream(name) from None

    def expect(self, name: str) -> None:
        """Somebody opened the page of a stream. What a private one needs is not started for a stranger."""
        stream = self._streams.get(name)
        if stream is not None and stream.config.public:
            stream.expect()

    def apply(self, wanted: dict[str, StreamConfig]) -> None:
        """Make the streams be what the configuration says; streams that did not change are not touched."""
        for name, stream in list(self._streams.items()):
            config = wanted.get(name)
            if config == stream.config:
                continue
            if config is not None and stream.config.allows_in_place(config):
                stream.config = config
                _log.info("%s: changed in place", name)
            else:
                del self._streams[name]
                _log.info("%s: %s", name, "changed, starting over" if name in wanted else "removed")
                stream.retire()
                for removed in self.on_remove:
                    removed(stream)
        for name, config in wanted.items():
            if name not in self._streams:
                self._streams[name] = stream = Stream(name, config, self._changed)
                for added in self.on_add:
                    added(stream)
        self._streams = {name: self._streams[name] for name in wanted}

    @property
    def renditions_ended(self) -> int:
        """How often a rendition of a stream that is here was let go of, so that memory became free."""
        return sum(stream.opus.ended + stream.h264.ended for stream in self)

    async def run(self) -> None:
        """End grace times until cancelled."""
        while True:
            await asyncio.sleep(_TICK_S)
            for stream in self:
                stream.expire(time.monotonic())

    def _changed(self, stream: Stream) -> None:
        for changed in self.on_change:
            changed(stream)
