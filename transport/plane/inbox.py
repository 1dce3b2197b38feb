"""What a publisher sent and nobody has taken yet: datagrams as they came, in order.

The plane's thread puts in, one other thread at a time takes. `core/inbox.c` is the same in native code.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from transport.errors import StateError

#: None is longer than 2,048 bytes, so that one inbox never holds more than 4 MiB.
MAX_DATAGRAMS: Final = 2048


class Inbox:
    """Of one publisher.

    Attributes:
        dropped: datagrams that found no room.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._datagrams: deque[bytes] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._is_ended = False
        self._is_taken = False

    def put(self, datagram: bytes) -> bool:
        """Keep a datagram, or count it where there is no room; False if the inbox has ended."""
        with self._changed:
            if self._is_ended:
                return False
            if len(self._datagrams) < MAX_DATAGRAMS:
                self._datagrams.append(datagram)
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
            self._datagrams.clear()
            self._is_ended = True
            self._changed.notify()

    def take(self, most: int, seconds: float) -> list[bytes]:
        """See `interface.Peer`."""
        if most < 1:
            raise ValueError(f"{most} datagrams cannot be taken")
        with self._changed:
            if self._is_taken:
                raise StateError("another thread takes from this publisher")
            self._is_taken = True
            try:
                self._changed.wait_for(self._is_decided, min(max(0.0, seconds), threading.TIMEOUT_MAX))
            finally:
                self._is_taken = False
            count = min(most, len(self._datagrams))
            return [self._datagrams.popleft() for _ in range(count)]

    def _is_decided(self) -> bool:
        return bool(self._datagrams) or self._is_ended
