"""Who waits for a part that is not there yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from streamer.egress.hls.window import Place, Window


class Waiting:
    """Tells those who wait, each once, in a turn of the event loop of its own. Event loop only."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[object, tuple[Place, asyncio.TimerHandle, Callable[[], None]]] = {}

    def add(self, place: Place, timeout_s: float, tell: Callable[[], None]) -> Callable[[], None]:
        """One more waits.

        Args:
            place: what for: a part, or `WHOLE` segments.
            timeout_s: how long.
            tell: called when it is there, nothing more comes, or the time is over.

        Returns:
            Ends the waiting; for whoever has gone. Idempotent.
        """
        key = object()
        self._waiting[key] = place, self._loop.call_later(timeout_s, self._tell, key), tell
        return lambda: self._drop(key)

    def look(self) -> None:
        """Something has come, or nothing more will."""
        reaches = self._window.reaches
        for key in [key for key, (place, _, _) in self._waiting.items() if reaches(*place)]:
            self._tell(key)

    def _tell(self, key: object) -> None:
        _, timer, tell = self._waiting.pop(key)
        timer.cancel()
        self._loop.call_soon(tell)

    def _drop(self, key: object) -> None:
        found = self._waiting.pop(key, None)
        if found is not None:
            found[1].cancel()
