"""A viewer's line: it takes time and loses packets by a seeded die, which are asked for again (RFC 4585)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from loadtests.peers.impairment import Fate, Impairment

#: What did not come after so many requests is given up, as a browser does.
_MOST_REQUESTS = 10
#: A longer gap is another stream of numbers, and nothing to repair.
_MOST_MISSING = 500


@dataclass(slots=True)
class Line:
    """One viewer's.

    Attributes:
        setup_s: from the server's answer to the first check.
        rtt_ms: of a round trip, as receiver reports make the sender believe.
        jitter_ms: as above.
        loss: share of packets lost, retransmissions too; never the first one of a stream, from which on a
            receiver counts.
        seed: the same one loses the same packets.
    """

    setup_s: float = 0.0
    rtt_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    seed: int = 0
    _fate: Fate = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._fate = Fate(Impairment(self.loss), self.seed)

    def loses(self) -> bool:
        """Whether the next packet is lost."""
        return self._fate.loses()


class Missing:
    """Of one stream, what did not come: asked for at once, and again until it comes.

    Args:
        again_s: from a request to the next one for the same packet.
    """

    def __init__(self, again_s: float) -> None:
        self._again_s = again_s
        self._due: dict[int, tuple[float, int]] = {}

    def skipped(self, numbers: range, now: float) -> None:
        """A packet came, and these before it did not."""
        if len(numbers) <= _MOST_MISSING:
            self._due |= {number & 0xFFFF: (now, 0) for number in numbers}

    def came(self, seqs: Iterable[int]) -> None:
        """These came, late or again."""
        for seq in seqs:
            self._due.pop(seq, None)

    def wanted(self, now: float) -> tuple[int, ...]:
        """What is to be asked for now; in one request at most what a packet holds."""
        due = [seq for seq, (at, _) in self._due.items() if at <= now][:100]
        for seq in due:
            requests = self._due[seq][1] + 1
            if requests < _MOST_REQUESTS:
                self._due[seq] = now + self._again_s, requests
            else:
                del self._due[seq]
        return tuple(due)
