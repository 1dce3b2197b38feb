"""When pictures are decoded that came over RTP, which tells only when they are shown."""

from __future__ import annotations

from bisect import insort
from collections import deque


class DecodingClock:
    """Finds the decoding times of one track's pictures.

    With a reordering depth of n, the picture decoded as number i is decoded when the one shown as number
    i - n is shown: that is the smallest of the last n + 1 presentation times.
    """

    #: No encoder of live pictures reorders deeper; more is a clock that was set back.
    _MAX_OBSERVED_DEPTH = 4

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._shown: list[int] = []
        self._recent: deque[int] = deque(maxlen=self._MAX_OBSERVED_DEPTH)
        self._observed_depth = 0
        self._last: int | None = None

    def dts(self, pts: int, depth: int | None) -> int:
        """Decoding time of the next picture in decoding order; never decreases, unless pts falls by a second.

        Args:
            pts: its presentation time.
            depth: reordering depth the parameter sets declare, None when they say nothing.
        """
        if self._shown and pts < self._shown[0] - self._clock_rate:
            self._shown.clear()
            self._recent.clear()
            self._last = None
        if depth is None:
            # As many pictures are reordered as came before this one and are shown after it.
            ahead = sum(earlier > pts for earlier in self._recent)
            self._observed_depth = max(self._observed_depth, ahead)
            depth = self._observed_depth
        self._recent.append(pts)
        insort(self._shown, pts)
        del self._shown[: -(depth + 1)]
        missing = depth + 1 - len(self._shown)
        # The first pictures are decoded before anything is shown; 25 a second is as good a guess as any.
        dts = self._shown[0] - missing * self._clock_rate // 25
        self._last = dts if self._last is None else max(dts, self._last)
        return self._last
