"""A bounded queue between a stream and an output that has a thread of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from transport.media import AccessUnit


class Reader:
    """Queue between one output and its stream. Full: skips to the next keyframe, counts `skipped`.

    `write` is the stream's side and never waits; `read` and `take` are the output's side.

    Args:
        max_units: the bound; the default holds about five seconds of picture and sound.
        on_ready: called in the publisher's thread when the first unit comes to an empty queue, for an output
            without a thread of its own; must return at once.
    """

    def __init__(self, max_units: int = 512, on_ready: Callable[[], None] | None = None) -> None:
        self._max_units = max_units
        self._on_ready = on_ready
        self._units: deque[AccessUnit] = deque()
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
            if len(self._units) >= self._max_units:
                # Half a GOP is worth nothing to a decoder: drop the queued picture, resume at a keyframe.
                kept = deque(queued for queued in self._units if not queued.track.is_video)
                self.skipped += len(self._units) - len(kept)
                self._units = kept
                self._skipping = True
                if len(kept) >= self._max_units:
                    self._units.popleft()
                    self.skipped += 1
                if unit.track.is_video and not starts_over:
                    self.skipped += 1
                    return
            if starts_over:
                self._skipping = False
            self._units.append(unit)
            self._ready.notify()
            first = len(self._units) == 1
        if first and self._on_ready is not None:
            self._on_ready()

    def take(self) -> list[AccessUnit]:
        """Take everything there is, oldest first, without waiting."""
        with self._ready:
            units = list(self._units)
            self._units.clear()
        return units

    def read(self, timeout_s: float) -> AccessUnit | None:
        """Take the oldest unit; None after `timeout_s` without one, or at once when closed."""
        with self._ready:
            if not self._units and not self._closed:
                self._ready.wait(timeout_s)
            return self._units.popleft() if self._units else None

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
