"""How the process itself is: event-loop lag, and whether it is ready for viewers."""

from __future__ import annotations

import asyncio
import time

_PERIOD_S = 0.5


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
