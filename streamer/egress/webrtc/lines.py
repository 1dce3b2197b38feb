"""What viewers' lines carry, from one second to the next, by the plane's counters: all viewers in one go.

A line that is too narrow shows itself not by loss alone, as radio loses packets at any rate: packets queue,
so that the round trip grows, and the browser, which sees them come ever later, reports an estimate (REMB)
below what it is being sent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transport.plane.interface import COUNTERS

#: Of the packets: so many lost are a sign that something is wrong, and so many that hardly anything arrives.
_LOSSY, _BROKEN = 0.1, 0.3
#: A round trip that is so much longer than it was on the same line: packets queue.
_QUEUE_MS = 100.0
#: An estimate is below what is being sent when it is below this part of it: it is never exact.
_BELOW = 0.9
#: Of fewer packets a loss proves nothing: its share is of so many.
_FEWEST_PACKETS = 20


@dataclass(frozen=True, slots=True)
class Line:
    """One viewer's, over the last interval.

    Attributes:
        loss: packets that were missed or had no room, for each that was sent; one can be missed again.
        video_bps: pictures that were sent, without repetitions, in bits per second.
        estimate_bps: what the browser thinks that the line carries of them, 0 where it says nothing.
        queues: the round trip is much longer than it was.
    """

    loss: float
    video_bps: float
    estimate_bps: float
    queues: bool

    @property
    def is_clear(self) -> bool:
        """Nothing waits, and what is lost is not for want of room."""
        bearable = _BROKEN if self.estimate_bps else _LOSSY / 2
        return not self.queues and self.loss < bearable and not self.is_full()

    def loses(self, usual_loss: float) -> bool:
        """Whether it loses more than it did while it was clear."""
        return self.loss >= usual_loss + _LOSSY

    def is_full(self, usual_loss: float = 0.0) -> bool:
        """Whether it carries less than it is sent.

        Args:
            usual_loss: what it lost while it was clear.
        """
        if not self.estimate_bps:
            return self.loss >= usual_loss + _BROKEN
        is_strained = self.loses(usual_loss) or self.queues
        return is_strained and self.estimate_bps < _BELOW * self.video_bps


class Lines:
    """All viewers' lines; `look` once a second."""

    def __init__(self) -> None:
        self._at = 0.0
        self._snapshot = np.zeros(0, COUNTERS)
        self._least_rtt_ms = np.zeros(0)
        self._lines = np.zeros(0, _LINE)

    def look(self, snapshot: npt.NDArray[np.void], now: float) -> list[int]:
        """Take the plane's counters.

        Args:
            snapshot: dtype `COUNTERS`, in any order.
            now: seconds, monotonic.

        Returns:
            The ids of the peers whose lines are full, or may be.
        """
        seconds, self._at = now - self._at, now
        snapshot = snapshot[np.argsort(snapshot["peer_id"])]
        before, least_rtt_ms, is_known = self._earlier(snapshot["peer_id"])
        packets, missed, dropped, octets = (
            (snapshot[name] - before[name]).astype(np.float64)
            for name in ("packets_sent", "nacks", "packets_dropped", "video_bytes")
        )
        rtt_ms = snapshot["rtt_ms"].astype(np.float64)
        least_rtt_ms = np.where(rtt_ms > 0, np.minimum(least_rtt_ms, rtt_ms), least_rtt_ms)
        # Who joined meanwhile got a burst, and has reported nothing.
        # Who is sent next to nothing is judged all the same: stills without sound must not last for ever.
        is_judged = is_known & (seconds > 0)
        lines = np.zeros(len(snapshot), _LINE)
        lines["judged"] = is_judged
        lines["loss"] = (missed + dropped) / np.maximum(packets, _FEWEST_PACKETS)
        lines["video_bps"] = octets * 8 / max(seconds, 1e-3)
        lines["estimate_bps"] = snapshot["remb_bps"]
        lines["queues"] = (rtt_ms > 0) & (rtt_ms > least_rtt_ms + _QUEUE_MS)
        self._snapshot, self._least_rtt_ms, self._lines = snapshot, least_rtt_ms, lines
        is_troubled = is_judged & (lines["queues"] | (lines["loss"] >= _LOSSY)) & (packets >= _FEWEST_PACKETS)
        return [
            int(snapshot["peer_id"][at]) for at in np.flatnonzero(is_troubled) if _line(lines[at]).is_full()
        ]

    def line(self, id: int) -> Line | None:
        """One peer's at the last look; None for one that cannot be judged (yet)."""
        at = int(np.searchsorted(self._snapshot["peer_id"], id))
        if at == len(self._snapshot) or self._snapshot["peer_id"][at] != id or not self._lines["judged"][at]:
            return None
        return _line(self._lines[at])

    def _earlier(
        self, ids: npt.NDArray[np.uint64]
    ) -> tuple[npt.NDArray[np.void], npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """What was known of these peers at the look before: counters, least round trip; whether anything."""
        if np.array_equal(ids, self._snapshot["peer_id"]):
            return self._snapshot, self._least_rtt_ms, np.ones(len(ids), bool)
        before, least_rtt_ms = np.zeros(len(ids), COUNTERS), np.full(len(ids), np.inf)
        _, now_at, then_at = np.intersect1d(
            ids, self._snapshot["peer_id"], assume_unique=True, return_indices=True
        )
        before[now_at] = self._snapshot[then_at]
        least_rtt_ms[now_at] = self._least_rtt_ms[then_at]
        is_known = np.zeros(len(ids), bool)
        is_known[now_at] = True
        return before, least_rtt_ms, is_known


_LINE = np.dtype(
    [
        ("judged", np.bool_),
        ("loss", np.float64),
        ("video_bps", np.float64),
        ("estimate_bps", np.float64),
        ("queues", np.bool_),
    ]
)


def _line(row: np.void) -> Line:
    return Line(float(row["loss"]), float(row["video_bps"]), float(row["estimate_bps"]), bool(row["queues"]))
