"""What a stream's segments become: one file after the other, and words where none can be written."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from streamer.hub.segmenter import Part
from streamer.recording.file import RecordingFile
from streamer.recording.library import Library
from streamer.recording.room import Room

_log = logging.getLogger(__name__)

#: After a file that could not be written.
_AGAIN_AFTER_S = 30.0


class Files:
    """The files of one stream; see `streamer.hub.segmenter.Segments`. One thread, but for what is read.

    Args:
        stream: its name.
        library: where they are made.
        room: whether they may be.
        is_sealed: whether they are encrypted.
        clock: seconds since 1970.
        monotonic: seconds.

    Attributes:
        current: the one that is written; None while none is.
        since: when that was begun, seconds since 1970.
        written: bytes in all of them.
        problem: why nothing is written, in words; "" while all is well.
    """

    def __init__(
        self,
        stream: str,
        library: Library,
        room: Room,
        *,
        is_sealed: bool = False,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._library = library
        self._room = room
        self._is_sealed = is_sealed
        self._clock = clock
        self._monotonic = monotonic
        self.current: RecordingFile | None = None
        self.since = 0.0
        self.written = 0
        self.problem = ""
        self._header = b""
        self._headers = 0
        self._again_at: float | None = None

    def add_header(self, data: bytes) -> int:
        """Files begin with this from now on."""
        self._header = data
        self._headers += 1
        return self._headers

    def begin(self, header: int, begins_at: float, *, breaks: bool) -> None:
        """Another file; named by the clock on the wall, as an encoder's own drifts over the days."""
        assert header == self._headers
        self.finish()
        try:
            self._library.prepare(self._stream)
            if lack := self._room.lack():
                self._fail(lack)
                return
            self.since = self._clock()
            self.current = self._library.create(
                self._stream, self.since, self._header, is_sealed=self._is_sealed
            )
            self._again_at = None
        except OSError as error:
            self._fail(_words(error))

    def add(self, part: Part) -> None:
        """Write one fragment, where there is a file."""
        file = self.current
        if file is None:
            return
        try:
            if lack := self._room.lack():
                self._fail(lack)
                return
            before = file.size
            file.append(part.data, part.duration_s)
        except OSError as error:
            self._fail(_words(error))
            return
        self.written += file.size - before
        if self.problem:
            self.problem = ""
            _log.info("%s: recorded again", self._stream)

    def finish(self) -> None:
        """Complete what is written."""
        file = self.current
        if file is not None:
            file.close()
            self._library.complete(file.id)
            self.current = None

    @property
    def is_to_begin(self) -> bool:
        """Whether it is time to try again: the next segment should begin."""
        if self._again_at is None or self._monotonic() < self._again_at:
            return False
        self._again_at = None
        return True

    def _fail(self, why: str) -> None:
        self.finish()
        self._again_at = self._monotonic() + _AGAIN_AFTER_S
        if why != self.problem:
            self.problem = why
            _log.error("%s: not recorded: %s", self._stream, why)


def _words(error: OSError) -> str:
    what = (error.strerror or str(error)).lower()
    return f"{error.filename}: {what}" if error.filename else what
