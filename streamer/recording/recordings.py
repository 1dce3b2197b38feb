"""All streams that are recorded, as the configuration says, and how long their files are kept."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from streamer.hub.registry import Registry
from streamer.hub.stream import Stream
from streamer.recording.keys import RecordingKeys
from streamer.recording.library import Library
from streamer.recording.recorder import Recorder, RecorderState
from streamer.recording.room import Room
from streamer.sections.recording import RecordingConfig

_log = logging.getLogger(__name__)

_DAY_S = 86_400.0
_EXPIRE_EVERY_S = 60.0
#: Of a server that stops: for disks that do not answer.
_PATIENCE_S = 2.0


class Recordings:
    """Event loop only, except where said.

    Args:
        registry: the streams.
        config: where and how long.
        root: the folder.
        keys: for what is encrypted.
        clock: seconds since 1970.

    Attributes:
        library: the files.
        room: what is left of the disk.
    """

    def __init__(
        self,
        registry: Registry,
        config: RecordingConfig,
        root: Path,
        keys: RecordingKeys,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.library = Library(root, keys)
        self.room = Room(self.library, config)
        self._registry = registry
        self._config = config
        self._clock = clock
        self._recorders: dict[Stream, Recorder] = {}
        self._ending: list[Recorder] = []

    def apply(self) -> None:
        """Record the streams that are to be, and no others."""
        wanted = {stream for stream in self._registry if stream.config.record}
        for stream in self._recorders.keys() - wanted:
            recorder = self._recorders.pop(stream)
            recorder.close()
            self._ending.append(recorder)
        self._ending = [each for each in self._ending if each.alive]
        for stream in wanted - self._recorders.keys():
            try:
                self._recorders[stream] = Recorder(
                    stream, self.library, self.room, self._config.file_s, clock=self._clock
                )
            except RuntimeError as error:
                _log.error("%s: not recorded: %s", stream.name, error)

    def stream_changed(self, stream: Stream) -> None:
        """Its publisher came or left, or its tracks changed. Any thread; returns at once."""
        recorder = self._recorders.get(stream)
        if recorder is not None:
            recorder.stream_changed()

    def state(self, stream: Stream) -> RecorderState | None:
        """What a stream's recording does; None for one that is not to be recorded. Any thread."""
        if not stream.config.record:
            return None
        recorder = self._recorders.get(stream)
        return recorder.state if recorder is not None else RecorderState(problem="it could not be begun")

    async def run(self) -> None:
        """Remove what was kept for long enough, until cancelled."""
        while True:
            await self.expire()
            await asyncio.to_thread(self.room.look)
            await asyncio.sleep(_EXPIRE_EVERY_S)

    async def expire(self) -> None:
        """Remove what was kept for long enough by now."""
        if not self._config.keep_days:
            return
        try:
            removed = await asyncio.to_thread(
                self.library.expire, self._clock() - self._config.keep_days * _DAY_S
            )
        except OSError as error:
            _log.error("recordings cannot be looked through: %s", error)
            return
        if removed:
            _log.info("removed %d recordings that were kept for %g days", removed, self._config.keep_days)

    async def close(self) -> None:
        """Complete all files."""
        recorders = [*self._recorders.values(), *self._ending]
        self._recorders.clear()
        for recorder in recorders:
            recorder.close()
        deadline = time.monotonic() + _PATIENCE_S
        for recorder in recorders:
            await asyncio.to_thread(recorder.join, max(0.0, deadline - time.monotonic()))
        self._ending = [each for each in recorders if each.alive]
        for recorder in self._ending:
            _log.warning("%s: the disk does not answer; its recording may lack its end", recorder.stream.name)
