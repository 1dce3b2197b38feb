"""Helix's rate limit: 800 points a minute for each app, refilled all the time."""

from __future__ import annotations

import math

from ops.sandbox.clock import Clock

POINTS = 800
_PERIOD_S = 60.0


class Bucket:
    """The points of all apps.

    Args:
        points: how many each has, and gets back within a minute.
    """

    def __init__(self, clock: Clock, points: int = POINTS) -> None:
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}
        self.points = points

    def take(self, client_id: str) -> bool:
        """Take a point; False: there is none."""
        now, left = self._clock.now(), self._now(client_id)
        enough = left >= 1.0
        self._left[client_id] = (left - 1.0 if enough else left, now)
        return enough

    def headers(self, client_id: str) -> dict[str, str]:
        """What Helix says about it with every answer."""
        left = self._now(client_id)
        full_at = self._clock.now() + (self.points - left) * _PERIOD_S / max(self.points, 1)
        return {
            "Ratelimit-Limit": str(self.points),
            "Ratelimit-Remaining": str(int(left)),
            "Ratelimit-Reset": str(math.ceil(full_at)),
        }

    def _now(self, client_id: str) -> float:
        now = self._clock.now()
        left, at = self._left.get(client_id, (float(self.points), now))
        return min(float(self.points), left + (now - at) * self.points / _PERIOD_S)
