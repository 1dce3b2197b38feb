"""What a bad network does to packets: how long they take, which are lost, alone or in bursts; how many fit.

Pure. `link.py` makes a cable behave so, by the kernel's netem or by `forwarder.py`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

#: Holds what is under way at any bit rate of ours; netem drops what exceeds it.
_NETEM_LIMIT_PACKETS = 20_000
#: Of video, where a queue is counted in packets.
_PACKET_BYTES = 1200


@dataclass(frozen=True, slots=True)
class Impairment:
    """One direction of a cable; both directions get the same.

    Attributes:
        loss: share of packets that are lost.
        burst: mean number of packets lost in a row; 1 for each packet on its own.
        rtt_ms: of both directions together.
        kbps: how much fits, 1,000 bits a second, headers of IP included; 0 for any number.
        queue_ms: what waits in front of a direction that is full, by the time it takes; more is lost.
    """

    loss: float = 0.0
    burst: float = 1.0
    rtt_ms: float = 0.0
    kbps: float = 0.0
    queue_ms: float = 200.0

    def __post_init__(self) -> None:
        if not 0 <= self.loss < 1:
            raise ValueError(f"loss: {self.loss:g}, expected a share from 0 to below 1")
        if self.burst < 1:
            raise ValueError(f"burst: {self.burst:g} packets, expected 1 or more")
        if self.rtt_ms < 0:
            raise ValueError(f"rtt_ms: {self.rtt_ms:g}, expected 0 or more")
        if self.kbps < 0:
            raise ValueError(f"kbps: {self.kbps:g}, expected 0 or more")
        if self.queue_ms <= 0:
            raise ValueError(f"queue_ms: {self.queue_ms:g}, expected more than 0")

    @property
    def is_bursty(self) -> bool:
        """Losses come together."""
        return self.loss > 0 and self.burst > 1

    @property
    def transitions(self) -> tuple[float, float]:
        """Gilbert's two states: chance per packet to go from good to bad, and from bad to good.

        Everything is lost in the bad state and nothing in the good one, so a burst lasts 1/(bad to good)
        packets and the share of losses is what it should be.
        """
        recovery = 1 / self.burst
        return min(1.0, recovery * self.loss / (1 - self.loss)), recovery

    @property
    def _netem_limit(self) -> int:
        """It counts packets, and those that are under way are among them."""
        if not self.kbps:
            return _NETEM_LIMIT_PACKETS
        return max(2, round(self.kbps * (self.queue_ms + self.rtt_ms / 2) / 8 / _PACKET_BYTES))

    def netem(self) -> list[str]:
        """Arguments of `tc qdisc … netem`."""
        arguments = ["limit", str(self._netem_limit), "delay", f"{self.rtt_ms / 2:g}ms"]
        if self.kbps:
            arguments += ["rate", f"{self.kbps:g}kbit"]
        if self.is_bursty:
            return [*arguments, "loss", "gemodel", *(f"{100 * share:.4g}%" for share in self.transitions)]
        return [*arguments, "loss", "random", f"{100 * self.loss:.4g}%"]


class Bottleneck:
    """Lets one packet through after the other, as fast as the line is, and holds a queue in front of it."""

    def __init__(self, impairment: Impairment) -> None:
        self._bytes_per_s = impairment.kbps * 125
        self._queue_s = impairment.queue_ms / 1000
        self._free_at = 0.0

    def passes(self, size: int, now: float) -> float | None:
        """When a packet of so many bytes is through, None if it finds the queue full."""
        if not self._bytes_per_s:
            return now
        begins_at = max(now, self._free_at)
        if begins_at - now > self._queue_s:
            return None
        self._free_at = begins_at + size / self._bytes_per_s
        return self._free_at


class Fate:
    """Decides packet by packet. The same seed loses the same packets, whoever sends them."""

    def __init__(self, impairment: Impairment, seed: int) -> None:
        self._impairment = impairment
        self._random = random.Random(seed)
        self._is_bad = False

    def loses(self) -> bool:
        """True if the next packet is lost."""
        draw = self._random.random()
        if not self._impairment.is_bursty:
            return draw < self._impairment.loss
        to_bad, to_good = self._impairment.transitions
        self._is_bad = draw >= to_good if self._is_bad else draw < to_bad
        return self._is_bad
