"""Notices what is worth telling: a stream that begins or ends, a peak of viewers, a drop in quality.

Looked at once a second. A peak is told at a number of viewers and each doubling of it, a drop in quality once
the mean has been below for a while, and again only after it had recovered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from streamer.engagement.audience import Live
from streamer.engagement.webhooks import Happening

_FOR_S = 10.0
#: How far above the limit a quality must come before it can drop again.
_RECOVERED = 5.0


@dataclass(slots=True)
class _State:
    is_live: bool = False
    since: float = 0.0
    #: The most viewers that were seen of this broadcast, and the audience's own peak before it.
    peak: int = 0
    peak_before: int = 0
    next_peak: int = 0
    low_since: float | None = None
    told_low: bool = False


class Happenings:
    """What one address is to be told.

    Args:
        viewers: the first peak.
        quality_below: what is called a drop.
    """

    def __init__(self, viewers: int, quality_below: float) -> None:
        self._viewers = viewers
        self._quality_below = quality_below
        self._states: dict[str, _State] = {}

    def look(
        self, streams: Iterable[tuple[str, bool]], audiences: dict[str, Live], now: float
    ) -> list[Happening]:
        """What happened since the last look.

        Args:
            streams: names, and whether they are live.
            audiences: who watches them.
            now: seconds since 1970.
        """
        found: list[Happening] = []
        for name, is_live in streams:
            state = self._states.setdefault(name, _State(next_peak=self._viewers))
            live = audiences.get(name, Live(0, 0, math.nan))
            if is_live and not state.is_live:
                state.since = now
                state.next_peak = self._viewers
                state.peak, state.peak_before = live.viewers, live.peak
                found.append(Happening("stream.start", name, now))
            state.peak = max(state.peak, live.viewers)
            if not is_live and state.is_live:
                # Between two looks somebody may have come and gone: that only the audience itself knows.
                peak = live.peak if live.peak > state.peak_before else state.peak
                lasted = {"seconds": round(now - state.since, 1), "peak_viewers": peak}
                found.append(Happening("stream.end", name, now, lasted))
            state.is_live = is_live
            if is_live:
                # Elsewhere it may be live, with the same viewers: that machine tells of them.
                found += self._audience(name, state, live, now)
        return found

    def _audience(self, name: str, state: _State, live: Live, now: float) -> list[Happening]:
        found: list[Happening] = []
        if live.viewers >= state.next_peak:
            while live.viewers >= state.next_peak:
                state.next_peak *= 2
            found.append(Happening("viewers.peak", name, now, {"viewers": live.viewers}))
        if math.isnan(live.quality) or live.quality >= self._quality_below:
            state.low_since = None
            if not math.isnan(live.quality) and live.quality >= min(100.0, self._quality_below + _RECOVERED):
                state.told_low = False
        elif state.low_since is None:
            state.low_since = now
        elif now - state.low_since >= _FOR_S and not state.told_low:
            state.told_low = True
            quality = {"quality": round(live.quality, 1), "viewers": live.viewers}
            found.append(Happening("quality.drop", name, now, quality))
        return found
