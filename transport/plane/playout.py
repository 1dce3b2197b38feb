"""How long a browser is asked to keep pictures before it shows them: longer while its line loses packets.

A packet that was lost comes again a round trip after the browser missed it, unless the request or the
repetition is lost as well; then after another one. Chromium plans for one such round by its own estimate of
jitter, and stands still when it takes three. So a viewer that reports losses is told to keep pictures for as
long as three rounds take, until its line has been good for a while. A browser changes its delay by playing a
little slower or faster, which nobody sees.
"""

from __future__ import annotations

import math

#: Share of packets lost, of one report, and so many reports in a row: less is an accident.
_LOSSY = 0.02
_LOSSY_REPORTS = 2
#: How long a line must have been good.
_HOLD_S = 15.0
_ROUNDS = 3
#: What a round takes besides the round trip: Chromium looks for gaps every 20 ms, and packets wait in queues.
_ROUND_MS = 40.0
_STEP_MS = 50
#: A report's share of the smoothed round trip.
_RTT_WEIGHT = 1 / 8


class Playout:
    """One viewer's playout delay.

    Args:
        base_ms: on a good line.
        max_ms: whatever the line is like.

    Attributes:
        min_ms: what the viewer should be told now.
    """

    def __init__(self, base_ms: int, max_ms: int) -> None:
        self.min_ms = base_ms
        self._base_ms = base_ms
        self._max_ms = max_ms
        self._rtt_ms = 0.0
        self._lossy_reports = 0
        self._hold_until = 0.0

    def reported(self, fraction_lost: float, rtt_ms: float, now: float) -> None:
        """Take a receiver report.

        Args:
            fraction_lost: 0 to 1, since the report before.
            rtt_ms: 0 while unknown.
            now: seconds, monotonic.
        """
        self._rtt_ms += (rtt_ms - self._rtt_ms) * (_RTT_WEIGHT if self._rtt_ms else 1.0)
        if fraction_lost < _LOSSY:
            self._lossy_reports = 0
            if now >= self._hold_until:
                self.min_ms = self._base_ms
            return
        self._lossy_reports += 1
        if self._lossy_reports < _LOSSY_REPORTS and self.min_ms == self._base_ms:
            return
        self._hold_until = now + _HOLD_S
        steps = math.ceil(_ROUNDS * (self._rtt_ms + _ROUND_MS) / _STEP_MS)
        wanted = max(self._base_ms, min(self._max_ms, steps * _STEP_MS))
        # Not for every wobble of the round trip.
        if wanted > self.min_ms or wanted <= self.min_ms - 2 * _STEP_MS:
            self.min_ms = wanted
