"""A bounded queue between a stream and an output that has a thread of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from transport.media import AccessUnit


class Reader:
    """Queue between one output and its stream. Full: skips to the next keyframe, counts `skipped`.

    It is full when its oldest unit has waited for longer than the bound, however many came at once: a GOP
    that is replayed may have a thousand pictures.

    `write` is the stream's side and never waits; `read` and `take` are the output's side.

    Args:
        max_wait_s: the bound; an output that is further behind will not catch up.
        on_ready: called in the publisher's thread when the first unit comes to an empty queue, for an output
            without a thread of its own; must return at once.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        max_wait_s: float = 10.0,
        on_ready: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_wait_s = max_wait_s
        self._on_ready = on_ready
        self._clock = clock
        self._units: deque[tuple[AccessUnit, float]] = deque()  # and when it was written
        self._ready = threading.Condition()
        self._skipping = False
        self._closed = False
        self.skipped = 0

    def write(self, unit: AccessUnit) -> None:
        """Take one unit."""
        with self._ready:
            if self._closed:
                return
            starts_over = unit.track.is_video and unit.keyframe
            if self._skipping and not (starts_over or not unit.track.is_video):
                self.skipped += 1
                return
            now = self._clock()
            if self._units and now - self._units[0][1] > self._max_wait_s:
                self._drop(now)
                if unit.track.is_video and not starts_over:
                    self.skipped += 1
                    return
            if starts_over:
                self._skipping = False
            self._units.append((unit, now))
            self._ready.notify()
            first = len(self._units) == 1
        if first and self._on_ready is not None:
            self._on_ready()

    def _drop(self, now: float) -> None:
        """Drop old sound, and the picture until a keyframe: half a GOP is worth nothing to a decoder."""
        kept = deque(
            (queued, at)
            for queued, at in self._units
            if not queued.track.is_video and now - at <= self._max_wait_s
        )
        self.skipped += len(self._units) - len(kept)
        self._skipping |= any(queued.track.is_video for queued, _ in self._units)
        self._units = kept

    def take(self) -> list[AccessUnit]:
        """Take everything there is, oldest first, without waiting."""
        with self._ready:
            units = [unit for unit, _ in self._units]
            self._units.clear()
        return units

    def read(self, timeout_s: float) -> AccessUnit | None:
        """Take the oldest unit; None after `timeout_s` without one, or at once when closed."""
        with self._ready:
            if not self._units and not self._closed:
                self._ready.wait(timeout_s)
            return self._units.popleft()[0] if self._units else None

    def close(self) -> None:
        """Wake the reading side for good; later units are ignored."""
        with self._ready:
            self._closed = True
            self._units.clear()
            self._ready.notify_all()

    @property
    def waiting(self) -> int:
        """Units in the queue."""
        return len(self._units)

    @property
    def closed(self) -> bool:
        """True after `close`."""
        return self._closed
