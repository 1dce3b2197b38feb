"""How fast a sender may send, by what is lost on the way: what REMB tells it."""

from __future__ import annotations

#: Of fewer packets it is chance whether many or few are lost.
_MIN_EXPECTED = 100
_MUCH_LOST = 0.10
#: Radio links lose a little at any rate.
_LITTLE_LOST = 0.02
_BACK_OFF = 0.85
_GROWTH_PER_S = 1.08
#: While some is lost, so that chance alone does not take the limit down step by step and leave it there.
_SLOW_GROWTH_PER_S = 1.02
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
        self._elapsed_s = 0.0
        self._bytes = 0
        self._expected = 0
        self._lost = 0

    def interval(self, elapsed_s: float, received_bytes: int, expected: int, lost: int) -> None:
        """Learn from one interval between reports; from several at once where few packets were sent.

        Args:
            elapsed_s: how long it was.
            received_bytes: of all sources and retransmissions.
            expected: packets sent, by their sequence numbers.
            lost: packets that did not come in time, whether they were repaired or not.
        """
        self._elapsed_s += elapsed_s
        self._bytes += received_bytes
        self._expected += expected
        self._lost += lost
        if self._expected < _MIN_EXPECTED or self._elapsed_s <= 0:
            return
        share = self._lost / self._expected
        if share > _MUCH_LOST:
            arrived_bps = 8 * self._bytes / self._elapsed_s
            self.bps = min(self.bps, max(_MIN_BPS, int(_BACK_OFF * arrived_bps)))
        else:
            growth_per_s = _GROWTH_PER_S if share < _LITTLE_LOST else _SLOW_GROWTH_PER_S
            self.bps = min(self._max_bps, int(self.bps * growth_per_s**self._elapsed_s))
        self._elapsed_s = 0.0
        self._bytes = self._expected = self._lost = 0
