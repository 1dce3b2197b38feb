"""Wakes a thread that polls."""

from __future__ import annotations

import contextlib
import os
import threading


class Bell:
    """A descriptor that is readable once it was rung. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """What to poll."""
        return self._fd

    def ring(self) -> None:
        """Wake the thread, or let it not wait when it polls next."""
        with self._lock:
            if self._fd >= 0:
                os.eventfd_write(self._fd, 1)

    def silence(self) -> None:
        """It was heard."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._fd)

    def close(self) -> None:
        """Give the descriptor back; to ring has no effect any more."""
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
