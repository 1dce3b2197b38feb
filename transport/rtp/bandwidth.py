"""How fast a sender may send, by what is lost on the way: what REMB tells it."""

from __future__ import annotations

#: Of fewer packets a share that is lost says nothing.
_MIN_EXPECTED = 20
_MUCH_LOST = 0.10
#: Radio links lose a little at any rate.
_LITTLE_LOST = 0.02
_BACK_OFF = 0.85
_GROWTH_PER_S = 1.08
#: Less is no picture any more.
_MIN_BPS = 150_000


class BandwidthLimit:
    """A limit that falls below what arrived when much is lost, and grows back.

    Args:
        max_bps: what it starts from and never exceeds.

    Attributes:
        bps: the limit, bits per second.
    """

    def __init__(self, max_bps: int) -> None:
        self.bps = max_bps
        self._max_bps = max_bps
        self._expected = 0
        self._lost = 0

    def interval(self, elapsed_s: float, received_bytes: int, expected: int, lost: int) -> None:
        """Learn from one interval between reports.

        Args:
            elapsed_s: how long it was.
            received_bytes: of all sources and retransmissions.
            expected: packets sent, by their sequence numbers.
            lost: of those, not received, whether they were repaired or not.
        """
        self._expected += expected
        self._lost += lost
        if self._expected < _MIN_EXPECTED or elapsed_s <= 0:
            return
        share = self._lost / self._expected
        self._expected = self._lost = 0
        if share > _MUCH_LOST:
            arrived_bps = 8 * received_bytes / elapsed_s
            self.bps = min(self.bps, max(_MIN_BPS, int(_BACK_OFF * arrived_bps)))
        elif share < _LITTLE_LOST:
            self.bps = min(self._max_bps, int(self.bps * _GROWTH_PER_S**elapsed_s))
