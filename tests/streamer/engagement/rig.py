"""An audience whose clock the test sets, and the plane's counters as the test says."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamer.engagement.audience import Audience
from streamer.engagement.batch import Batch, cut
from streamer.engagement.session import Arrival
from transport.plane.interface import COUNTERS

#: The beginning of an hour, and of a day.
MIDNIGHT = 1_795_564_800.0


class Crowd:
    """Viewers of one machine."""

    def __init__(self, node: str = "node", at: float = MIDNIGHT + 3600.0) -> None:
        self.now = at
        #: By how much the clock was set, that is no time passing.
        self.set_s = 0.0
        self.node = node
        self.audience = Audience(lambda: self.now, lambda: self.now - self.set_s)
        self.peers: dict[str, int] = {}
        self.batches = 0

    def come(self, name: str, stream: str = "cam", *, join_ms: float = 50.0, **known: Any) -> None:
        """Be let in, and be sent media `join_ms` later."""
        self.peers[name] = len(self.peers) + 1
        known.setdefault("viewer", f"{len(self.peers):032x}"[::-1])
        arrival = Arrival(f"{self.node}-{name}", stream, self.now, "whep", **known)
        self.audience.arrive(arrival, self.peers[name])
        before, self.now = self.now, self.now + join_ms / 1000
        self.audience.watching(arrival.session)
        self.now = before

    def go(self, name: str, why: str = "the viewer left", **counters: Any) -> None:
        row = self.rows(**{name: counters})[0] if counters else None
        self.audience.leave(f"{self.node}-{name}", why, row)

    def set_clock(self, by_s: float) -> None:
        self.now += by_s
        self.set_s += by_s

    def rows(self, **counters: dict[str, Any]) -> np.ndarray[Any, Any]:
        """A snapshot of the plane."""
        rows = np.zeros(len(counters), COUNTERS)
        for row, (name, values) in zip(rows, counters.items(), strict=True):
            row["peer_id"] = self.peers[name]
            for field, value in values.items():
                row[field] = value
        return rows

    def cut(self, *, linger_s: float = 0.0) -> Batch:
        self.batches += 1
        minute = int(self.now) // 60 * 60
        return cut(
            self.audience, f"{self.node}.{self.batches}", self.node, minute, self.now, linger_s=linger_s
        )
