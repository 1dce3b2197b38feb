"""Records one stream while somebody publishes it to this machine.

It has a thread: a disk that takes its time must cost neither the publisher anything nor the event loop. What
comes meanwhile waits in the intake's queue, which is bounded: a disk that is too slow costs the recording
pictures up to the next keyframe, and nobody else anything.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from streamer.hub.intake import Intake
from streamer.hub.segmenter import Segmenter
from streamer.hub.stream import Publisher, Stream
from streamer.recording.files import Files
from streamer.recording.library import Library
from streamer.recording.room import Room
from transport.cmaf import CARRIED
from transport.media import AccessUnit

_log = logging.getLogger(__name__)

#: What a server that dies loses.
_FRAGMENT_S = 1.0
#: How often one looks what the stream has. What is made on the way may come so long after its publisher left.
_LOOK_EVERY_S = 0.5
#: How long it is told that something was left out.
_TOLD_S = 60.0
_AGAIN_AFTER_S = 30.0
_TOO_SLOW = "the disk, or the machine, is too slow: pictures and sounds are left out"


@dataclass(frozen=True, slots=True)
class RecorderState:
    """What a stream's recording does.

    Attributes:
        id: of the recording that is written; "" while none is.
        since: when that was begun, seconds since 1970; None while none is.
        size: its bytes so far.
        written: bytes since the server records this stream.
        skipped: pictures and sounds that were left out, for want of time, since then.
        problem: what is wrong, in words; "" while all is well.
    """

    id: str = ""
    since: float | None = None
    size: int = 0
    written: int = 0
    skipped: int = 0
    problem: str = ""


class Recorder:
    """Works until `close`. Thread-safe.

    Raises:
        RuntimeError: the machine allows no more threads.
    """

    def __init__(
        self,
        stream: Stream,
        library: Library,
        room: Room,
        file_s: float,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.stream = stream
        self._file_s = file_s
        # Whether they are encrypted does not change in place.
        is_sealed = stream.config.seals_recordings
        self._files = Files(stream.name, library, room, is_sealed=is_sealed, clock=clock)
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._has_changed = True
        self._trouble = ""
        self._skipped = 0
        self._skipped_before = 0
        self._slow_until = float("-inf")
        self._thread = threading.Thread(target=self._run, name=f"record {stream.name}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> RecorderState:
        """What it does now."""
        files, file = self._files, self._files.current
        return RecorderState(
            id=file.id if file is not None else "",
            since=files.since if file is not None else None,
            size=file.size if file is not None else 0,
            written=files.written,
            skipped=self._skipped,
            problem=files.problem or self._trouble,
        )

    def stream_changed(self) -> None:
        """Its publisher came or left, or its tracks changed. Returns at once."""
        self._has_changed = True
        self._wake.set()

    def close(self) -> None:
        """Complete what is written, and end. Returns at once."""
        self._ended.set()
        self._wake.set()

    @property
    def alive(self) -> bool:
        """True until its thread has ended."""
        return self._thread.is_alive()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread; a disk that does not answer keeps it."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._ended.is_set():
            if self.stream.own_publisher is None:
                self._wake.wait()
                self._wake.clear()
                continue
            try:
                with contextlib.closing(Intake(self.stream, CARRIED, self._wake.set)) as intake:
                    self._record(intake)
            except Exception:  # one stream's trouble must stay its own
                _log.exception("%s: the recording failed", self.stream.name)
                self._trouble = "the server failed; its log says why"
                self._ended.wait(_AGAIN_AFTER_S)

    def _record(self, intake: Intake) -> None:
        segmenter = Segmenter(
            self._files,
            part_s=_FRAGMENT_S,
            segment_s=self._file_s,
            epoch_s=self.stream.epoch_s,
            as_files=True,
        )
        try:
            self._feed(intake, segmenter)
        finally:
            self._skipped_before += intake.skipped
            self._trouble = ""
            try:
                segmenter.break_off()
            finally:
                self._files.finish()

    def _feed(self, intake: Intake, segmenter: Segmenter) -> None:
        publisher = self.stream.own_publisher
        came_at = time.monotonic()
        looked_at = float("-inf")
        while True:
            has_ended = self._ended.is_set()
            now = time.monotonic()
            if self._has_changed or now - looked_at >= _LOOK_EVERY_S:
                self._has_changed, looked_at = False, now
                self._look(intake, segmenter, now)
            # Before what came is taken: of who has left by now all of it is there.
            present = self.stream.own_publisher
            units = intake.take()
            if units:
                came_at = now
            if _is_another(present, publisher):
                publisher = present
                for unit in units[: _first_keyframe(units)]:  # what its predecessor left
                    segmenter.write(unit, now)
                units = units[_first_keyframe(units) :]
                segmenter.break_off()
                self._files.finish()
            if self._files.is_to_begin:
                segmenter.break_off()
            for unit in units:
                segmenter.write(unit, now)
            if has_ended or (present is None and now - came_at >= _LOOK_EVERY_S):
                return
            self._wake.wait(_LOOK_EVERY_S)
            self._wake.clear()

    def _look(self, intake: Intake, segmenter: Segmenter, now: float) -> None:
        """See what the stream has by now, and what is wrong with it."""
        intake.follow()
        has_picture = intake.video is not None and not intake.refusal
        segmenter.expect(picture=has_picture, sound=intake.audio is not None)
        skipped = self._skipped_before + intake.skipped
        if skipped > self._skipped:
            self._skipped, self._slow_until = skipped, now + _TOLD_S
        trouble = ""
        if intake.video is not None and intake.refusal:
            trouble = f'{intake.video.codec.label} cannot be recorded as it is, and renditions are "off"'
        elif segmenter.refusal or segmenter.left_out:
            trouble = segmenter.refusal or f"without sound: {segmenter.left_out}"
        elif now < self._slow_until:
            trouble = _TOO_SLOW
        if trouble and trouble != self._trouble:
            _log.warning("%s: recording: %s", self.stream.name, trouble)
        self._trouble = trouble


def _first_keyframe(units: list[AccessUnit]) -> int:
    """Where the first picture is that another publisher can have begun with; the end where there is none."""
    begins = (number for number, unit in enumerate(units) if unit.track.is_video and unit.keyframe)
    return next(begins, len(units))


def _is_another(present: Publisher | None, before: Publisher | None) -> bool:
    return present is not None and present is not before
