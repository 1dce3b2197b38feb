"""A stream that is recorded into a folder, and what is in the files."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

import av

from streamer.hub.stream import Publication, Publisher, Stream
from streamer.recording.keys import RecordingKeys
from streamer.recording.library import Library
from streamer.recording.recorder import Recorder
from streamer.recording.room import Room
from streamer.sections.recording import RecordingConfig
from streamer.sections.stream import StreamConfig
from tests.fakes.wait import wait_until
from transport.media import AccessUnit

KEYS = RecordingKeys({"0123456789abcdef": bytes(range(32))})
_names = itertools.count()


def packets(path: Path, kind: str = "video") -> list[tuple[int, int]]:
    """dts and pts of all that a player finds."""
    with av.open(str(path)) as container:
        return [
            (int(packet.dts or 0), int(packet.pts or 0))
            for packet in container.demux()
            if packet.size and packet.stream.type == kind
        ]


def decoded(path: Path) -> int:
    """How many pictures are seen."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


class RecordedStream:
    """Use as a context; `free` is what is free on its disk.

    Attributes:
        free: bytes.
    """

    def __init__(
        self,
        folder: Path,
        config: RecordingConfig | None = None,
        *,
        file_s: float = 3600.0,
        clock: Callable[[], float] = lambda: 1_795_816_800.123,
        **stream: object,
    ) -> None:
        self.folder = folder
        self.free = 10**12
        self.stream = Stream("cam", StreamConfig.model_validate({"record": True, **stream}), self._changed)
        self.library = Library(folder, KEYS)
        self.room = Room(self.library, config or RecordingConfig(), free=lambda folder: self.free)
        self._recorder: Recorder | None = None
        self._file_s = file_s
        self._clock = clock

    @property
    def recorder(self) -> Recorder:
        assert self._recorder is not None
        return self._recorder

    def _changed(self, stream: Stream) -> None:
        if self._recorder is not None:
            self._recorder.stream_changed()

    def publish(self, units: Iterable[AccessUnit], name: str = "") -> Publication:
        units = sorted(units, key=lambda unit: unit.dts_s)
        publication = self.stream.publish(Publisher(name or f"p{next(_names)}", "srt", "192.0.2.1:4000"))
        publication.declare(tuple({unit.track.id: unit.track for unit in units}.values()))
        wait_until(lambda: self.stream.source.has_sinks, "the recorder to come")
        for unit in units:
            publication.write(unit)
        return publication

    def record(self, *units: AccessUnit) -> None:
        """What a publisher brings that then leaves, up to its end."""
        publication = self.publish(units)
        publication.close("done")
        wait_until(lambda: self.stream.demand.idle_s, "the recorder to have done")

    def go_on(self, publication: Publication, *units: AccessUnit) -> None:
        """The rest of what a publisher brings, up to its end."""
        for unit in sorted(units, key=lambda unit: unit.dts_s):
            publication.write(unit)
        publication.close("done")
        wait_until(lambda: self.stream.demand.idle_s, "the recorder to have done")

    @property
    def files(self) -> list[Path]:
        """The oldest first."""
        return [self.library.path(id) for id in reversed(self.library.ids("cam"))]

    def __enter__(self) -> RecordedStream:
        self._recorder = Recorder(self.stream, self.library, self.room, self._file_s, clock=self._clock)
        return self

    def __exit__(self, *error: object) -> None:
        self.recorder.close()
        self.recorder.join(20.0)
        assert not self.recorder.alive
