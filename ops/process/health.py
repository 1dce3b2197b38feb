"""How the process itself is: how late the event loop runs, and how late media leaves."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable

from transport.plane.delays import Counts, percentile_s

_PERIOD_S = 0.5
_WINDOW_S = 10.0


class LoopLag:
    """Measures how late the event loop runs what is due.

    Attributes:
        seconds: the latest reading.
        worst_s: the worst one since the last `take_worst`.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.worst_s = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = time.monotonic() + _PERIOD_S
            await asyncio.sleep(_PERIOD_S)
            self.seconds = max(0.0, time.monotonic() - due)
            self.worst_s = max(self.worst_s, self.seconds)

    def take_worst(self) -> float:
        """The worst reading since the last call."""
        worst, self.worst_s = self.worst_s, 0.0
        return worst


class SendDelay:
    """How long units took from the publisher's thread to the kernel, over the last ten seconds.

    Args:
        counts: the plane's, since its beginning.
    """

    def __init__(self, counts: Callable[[], Counts]) -> None:
        self._counts = counts
        self._past: deque[tuple[float, Counts]] = deque([(time.monotonic(), counts())])

    async def run(self) -> None:
        """Remember until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            self._past.append((now, self._counts()))
            while len(self._past) > 1 and self._past[1][0] <= now - _WINDOW_S:
                self._past.popleft()

    def percentile_ms(self, share: float) -> float | None:
        """The delay that this share of the units did not exceed, None without units or beyond measure."""
        seconds = percentile_s(self._counts() - self._past[0][1], share)
        return round(seconds * 1000, 3) if math.isfinite(seconds) else None
