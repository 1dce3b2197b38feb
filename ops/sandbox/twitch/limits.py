"""Helix's rate limit: 800 points a minute for each app, refilled all the time."""

from __future__ import annotations

from ops.sandbox.clock import Clock

_POINTS = 800
_REFILL_PER_S = _POINTS / 60.0


class Bucket:
    """The points of all apps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, client_id: str) -> bool:
        """Take a point; False: there is none."""
        now = self._clock.now()
        left, at = self._left.get(client_id, (float(_POINTS), now))
        left = min(float(_POINTS), left + (now - at) * _REFILL_PER_S)
        enough = left >= 1.0
        self._left[client_id] = (left - 1.0 if enough else left, now)
        return enough
