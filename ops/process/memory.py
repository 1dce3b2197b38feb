"""Gives memory that viewers left behind back to the system.

The C library keeps what was freed for the next allocation. After a thousand handshakes that is a hundred
megabytes which nobody will ask for again, and which a container's limit counts.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import time
from collections.abc import Callable

_PERIOD_S = 2.0
#: So many at once are worth the walk through the heap, fewer after this time.
_MANY = 64
_PATIENCE_S = 30.0


class Trimmer:
    """Trims the heap when enough of it may have become free.

    Args:
        released: how often something of weight was let go of so far.
        trim: does it; None where the C library cannot.
    """

    def __init__(self, released: Callable[[], int], trim: Callable[[], object] | None) -> None:
        self._released = released
        self._trim = trim
        self._seen = released()
        self._trimmed_at = time.monotonic()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(_PERIOD_S)
            await self.look(time.monotonic())

    async def look(self, now: float) -> None:
        """Trim if it is worth it; the event loop goes on meanwhile."""
        released = self._released()
        waiting = released - self._seen
        if self._trim is None or not waiting or (waiting < _MANY and now < self._trimmed_at + _PATIENCE_S):
            return
        self._seen, self._trimmed_at = released, now
        await asyncio.to_thread(self._trim)


def heap_trim() -> Callable[[], object] | None:
    """Glibc's `malloc_trim`, None with another C library."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except AttributeError:
        return None
    trim.argtypes = (ctypes.c_size_t,)
    return lambda: trim(0)


def spare_the_collector() -> None:
    """What a server is made of when it is ready stays as long as it does: no use searching it for garbage.

    A search through all of it holds the event loop up for some 100 ms, each time that much else has changed.
    """
    gc.collect()
    gc.freeze()
