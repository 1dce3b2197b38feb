"""What is counted of the viewers: of each one, and summed by stream over those who watch and who watched."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from streamer.egress.webrtc.viewer import Viewer
from streamer.hub.stream import Stream
from transport.plane.interface import COUNTERS, Plane

# Counters of leaving viewers are taken from a snapshot at most this old.
_FRESH_S = 0.01
_SUMMED = ("packets_sent", "bytes_sent", "packets_dropped", "retransmitted", "rtx_refused", "nacks", "plis")


class Tally:
    """Counters of all viewers.

    Args:
        plane: what counts.
        viewers: who they are, by their peers' ids; stays the caller's to change.

    Attributes:
        snapshot: the plane's counters, as of the last `measure`.
    """

    def __init__(self, plane: Plane, viewers: Mapping[int, Viewer]) -> None:
        self.snapshot: npt.NDArray[np.void] = np.zeros(0, COUNTERS)
        self._plane = plane
        self._viewers = viewers
        self._departed: dict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys(_SUMMED, 0))
        self._measured_at = float("-inf")

    def measure(self, max_age_s: float = _FRESH_S) -> None:
        """Give every viewer its counters, at most so old."""
        now = time.monotonic()
        if now - self._measured_at < max_age_s:
            return
        self._measured_at = now
        self.snapshot = self._plane.snapshot()
        for id, row in zip(self.snapshot["peer_id"].tolist(), self.snapshot, strict=True):
            viewer = self._viewers.get(id)
            if viewer is not None:
                viewer.counters = row

    def depart(self, viewer: Viewer) -> None:
        """Keep what was counted of a viewer who leaves; he is still among the others."""
        self.measure()
        row = self._departed[viewer.stream.name]
        for field in _SUMMED:
            row[field] += int(viewer.counters[field])

    def totals(self, by_stream: Mapping[Stream, Iterable[Viewer]]) -> dict[str, dict[str, float]]:
        """By stream: counters summed over everybody who watched.

        And of who watches the mean `loss_ratio`, and how many get a smaller picture (`reduced`).
        """
        self.measure()
        sums = {name: dict(row) for name, row in self._departed.items()}
        for stream, viewers in by_stream.items():
            row = sums.setdefault(stream.name, dict.fromkeys(_SUMMED, 0))
            lost = []
            row["reduced"] = 0
            for viewer in viewers:
                for field in _SUMMED:
                    row[field] += int(viewer.counters[field])
                row["reduced"] += viewer.rung > 0
                lost.append(float(viewer.counters["video_fraction_lost"]))
            row["loss_ratio"] = sum(lost) / len(lost) if lost else 0.0
        return sums
