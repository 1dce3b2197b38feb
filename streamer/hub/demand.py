"""Whether anybody wants a stream now; what an on-demand pull waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Demand:
    """Counts who wants the stream.

    Attributes:
        on_wanted: called when the first one comes, by whoever that is; must return at once.
    """

    def __init__(self) -> None:
        self.on_wanted: list[Callable[[], None]] = []
        self._condition = threading.Condition()
        self._count = 0
        self._idle_since = time.monotonic()

    def acquire(self) -> None:
        """One more wants it."""
        with self._condition:
            self._count += 1
            is_first = self._count == 1
            self._condition.notify_all()
        for wanted in self.on_wanted if is_first else ():
            wanted()

    def release(self) -> None:
        """One less wants it."""
        with self._condition:
            self._count -= 1
            if self._count == 0:
                self._idle_since = time.monotonic()

    def wait(self, timeout_s: float) -> bool:
        """Wait in a thread until somebody wants it; False when nobody did in time, or at a `wake`."""
        with self._condition:
            if self._count == 0:
                self._condition.wait(timeout_s)
            return self._count > 0

    def wake(self) -> None:
        """Let waiting threads look around, as when the server stops."""
        with self._condition:
            self._condition.notify_all()

    @property
    def idle_s(self) -> float:
        """Seconds since the last one left; 0 while somebody wants it."""
        with self._condition:
            return 0.0 if self._count else time.monotonic() - self._idle_since
