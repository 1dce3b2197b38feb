"""What a publisher sent and nobody has taken yet: datagrams as they came, in order.

The plane's thread puts in, one other thread at a time takes. `core/inbox.c` is the same in native code.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import Final

from transport.errors import StateError, WireError
from transport.plane.srtp import Opener

#: None is longer than 2,048 bytes, so that one inbox never holds more than 4 MiB.
MAX_DATAGRAMS: Final = 2048


class Inbox:
    """Of one publisher.

    Attributes:
        dropped: datagrams that found no room.
        refused: datagrams that could not be opened.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self.refused = 0
        self._opener: Opener | None = None
        self._kept: deque[tuple[bytes, float]] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._urgent = 0  # so many of them are not to wait for more
        self._awaited = 0  # whoever takes sleeps until so many are there; 0: is awake
        self._taken_at = -math.inf
        self._is_ended = False
        self._is_taken = False

    def put(self, datagram: bytes, now: float) -> bool:
        """Keep a datagram, or count it where there is no room; False if the inbox has ended."""
        with self._changed:
            if self._is_ended:
                return False
            if len(self._kept) < MAX_DATAGRAMS:
                self._kept.append((datagram, now))
                if _is_urgent(datagram):
                    self._urgent = len(self._kept)
                if self._awaited and self._has(self._awaited):
                    self._awaited = 0  # woken once is enough
                    self._changed.notify()
            else:
                self.dropped += 1
            return True

    def end(self) -> None:
        """Nothing comes any more: nobody waits from now on, but what is there may be taken."""
        with self._changed:
            self._is_ended = True
            self._changed.notify()

    def close(self) -> None:
        """Nor is anything taken."""
        with self._changed:
            self._kept.clear()
            self._urgent = 0
            self._is_ended = True
            self._changed.notify()

    def take(self, most: int, seconds: float, pause: float = 0.0) -> list[tuple[bytes, float]]:
        """See `interface.Peer`."""
        if most < 1:
            raise ValueError(f"{most} datagrams cannot be taken")
        with self._changed:
            if self._is_taken:
                raise StateError("another thread takes from this publisher")
            self._is_taken = True
        until = time.monotonic() + max(0.0, seconds)
        try:
            with self._changed:
                self._await(min(most, MAX_DATAGRAMS), min(until, self._taken_at + pause))
            while taken := self._take(most, until):
                if opened := self._open(taken):
                    return opened
            return []
        finally:
            self._is_taken = False

    def open_with(self, opener: Opener) -> None:
        """Open from now on what is taken; only the first one counts."""
        with self._changed:
            self._opener = self._opener or opener

    def _take(self, most: int, until: float) -> list[tuple[bytes, float]]:
        with self._changed:
            self._await(1, until)
            if self._kept:
                self._taken_at = time.monotonic()
            count = min(most, len(self._kept))
            self._urgent = max(0, self._urgent - count)
            return [self._kept.popleft() for _ in range(count)]

    def _open(self, taken: list[tuple[bytes, float]]) -> list[tuple[bytes, float]]:
        opener = self._opener
        if opener is None:
            return taken
        opened = []
        for datagram, came_at in taken:
            try:
                opened.append((opener.open(datagram), came_at))
            except WireError:
                self.refused += 1
        return opened

    def _await(self, count: int, until: float) -> None:
        """Sleep until so many are there, it has ended or the moment has come."""
        while not self._has(count) and not self._is_ended:
            left = until - time.monotonic()
            if left <= 0:
                break
            self._awaited = count
            self._changed.wait(min(left, threading.TIMEOUT_MAX))
        self._awaited = 0

    def _has(self, count: int) -> bool:
        return len(self._kept) >= count or self._urgent > 0


def _is_urgent(datagram: bytes) -> bool:
    """The end of a picture, and RTCP: neither is encrypted in these bytes (RFC 3550 5.1, RFC 5761 4)."""
    return len(datagram) > 1 and bool(datagram[1] & 0x80)
