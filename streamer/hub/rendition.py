"""Another coding of one track, made once per stream and only while somebody takes it, or may soon.

Browsers play neither AAC nor B-frames. A `Rendition` reads the stream through a bounded queue, runs a
transcoder in a thread of its own and hands the result to its own `Fanout`, so that one encoder serves every
viewer that needs it. To start one costs its first viewer time, as the GOP from which a picture starts has to
be decoded up to now: so it runs on for a while after its last sink, and may be started before its first.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from streamer.hub.fanout import Fanout, FirstTrack, Sink
from streamer.hub.reader import Reader
from transport.media import AccessUnit, Track

_log = logging.getLogger(__name__)

# A queue longer than this is caught up with: at the start, when a whole GOP waits, or on a busy machine.
_LATE_UNITS = 4


class Transcoder(Protocol):
    """Turns units of one track into units of another; damaged input costs output, never an exception."""

    def transcode(self, unit: AccessUnit, *, late: bool = False) -> list[AccessUnit]:
        """Take one unit, return what became ready; `late`: more is waiting, so leave out what can be."""
        ...

    def request_keyframe(self) -> None:
        """Start over soon, for somebody who lost too much."""
        ...


class Rendition:
    """One derived track, alive while a sink is attached and for a while before and after. Any thread.

    Args:
        name: for logs and threads, such as "cam opus".
        source: where the units come from.
        video: True to read the picture, False to read the sound.
        make: builds a transcoder for the source's track; called again when its codec changes.
        linger_s: how long it runs without a sink.

    Attributes:
        ended: how often a transcoder was let go of, whose memory became free.
    """

    def __init__(
        self,
        name: str,
        source: Fanout,
        *,
        video: bool,
        make: Callable[[Track], Transcoder],
        linger_s: float = 0.0,
    ) -> None:
        self._name = name
        self._source = source
        self._video = video
        self._make = make
        self._linger_s = linger_s
        self._lock = threading.Lock()
        self._idle_since = 0.0
        self._run: _Run | None = None
        self._intake: FirstTrack | None = None
        self.ended = 0
        self.out = Fanout()

    @property
    def active(self) -> bool:
        """True while the transcoder runs."""
        return self._run is not None

    @property
    def is_taken(self) -> bool:
        """True while anybody takes it; it runs on for a while after that."""
        return self.out.has_sinks

    @property
    def skipped(self) -> int:
        """Units the transcoder was too slow for."""
        run = self._run
        return run.reader.skipped if run is not None else 0

    def request_keyframe(self) -> None:
        """Let somebody who lost too much start over soon. Any thread."""
        run = self._run
        if run is not None:
            run.keyframe_wanted = True

    def attach(self, sink: Sink, *, replay: bool = True) -> None:
        """Add a sink; the first one starts the transcoder at the current GOP unless it runs already.

        Args:
            sink: what is added.
            replay: whether it gets the GOP that was made so far first.
        """
        with self._lock:
            self._start()
            self.out.attach(sink, replay=replay)

    def detach(self, sink: Sink) -> None:
        """Remove a sink. Idempotent. The last one's going stops the transcoder, `linger_s` later."""
        with self._lock:
            had_sinks = self.out.has_sinks
            self.out.detach(sink)
            if had_sinks and not self.out.has_sinks:
                self._idle_since = time.monotonic()
        self.expire(time.monotonic())

    def expect(self) -> None:
        """Start already, as somebody will attach a sink within `linger_s`; nothing once retired."""
        with self._lock:
            if self._linger_s:
                self._idle_since = time.monotonic()
                self._start()

    def expire(self, now: float) -> None:
        """Stop if it was without a sink for `linger_s`. Its own thread asks once a second, or more often.

        Args:
            now: time.monotonic().
        """
        if self.out.has_sinks:
            return
        with self._lock:
            run = self._run
            if run is None or self._intake is None or self.out.has_sinks:
                return
            if now - self._idle_since < self._linger_s:
                return
            self._run = None
            self.ended += 1
            self._source.detach(self._intake)
            run.reader.close()

    def retire(self) -> None:
        """Linger no more, now or later."""
        with self._lock:
            self._linger_s = 0.0
        self.expire(time.monotonic())

    def _start(self) -> None:
        if self._run is not None:
            return
        self.out.forget()
        self._run = _Run(self._name, self.out, self._make, self.expire)
        self._intake = FirstTrack(self._source, self._run.reader, video=self._video)
        # A picture needs the GOP to start from; sound of the past would only be late.
        self._source.attach(self._intake, replay=self._video)


class _Run:
    """One thread's life, from start to stop."""

    def __init__(
        self,
        name: str,
        out: Fanout,
        make: Callable[[Track], Transcoder],
        expire: Callable[[float], None],
    ) -> None:
        self.reader = Reader()
        self.keyframe_wanted = False
        self._out = out
        self._make = make
        self._expire = expire
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        transcoder: Transcoder | None = None
        codec = None
        failing = False
        while not self.reader.closed:
            unit = self.reader.read(1.0)
            self._expire(time.monotonic())
            if unit is None:
                continue
            try:
                if transcoder is None or unit.track.codec is not codec:
                    transcoder, codec = self._make(unit.track), unit.track.codec
                if self.keyframe_wanted:
                    self.keyframe_wanted = False
                    transcoder.request_keyframe()
                made = transcoder.transcode(unit, late=self.reader.waiting > _LATE_UNITS)
            except Exception:  # a decoder's surprise must not end the rendition for everybody
                if not failing:  # once, not for each of fifty units a second
                    _log.exception("%s failed, starting over", self._thread.name)
                transcoder, failing = None, True
                continue
            failing = False
            for each in made:
                if not self.reader.closed:
                    # Its only track; the source may have another id by now, and that of before would stay.
                    self._out.declare((each.track,))
                    self._out.write(each)
