"""Counting what one viewer got: packets, gaps, retransmissions, bytes."""

from __future__ import annotations

from dataclasses import dataclass, fields

_HALF = 0x8000


@dataclass(slots=True)
class Counts:
    """What arrived so far; all of them only grow, so that two moments can be subtracted.

    Attributes:
        received: media packets that were decrypted, without retransmissions.
        expected: as many as the sequence numbers say were sent.
        retransmitted: packets of RTX.
        undecipherable: that SRTP refused.
        received_bytes: RTP packets without the SRTP tag, retransmissions too.
        dropped_by_filter: media packets the kernel's filter dropped (viewers that do not check).
        overflowed: packets for which a checking viewer had no room: the generator was too slow.
        checked: viewers that check.
        wire_bytes: UDP payload that came to a checking viewer, everything.
        lost: media packets that a viewer's line lost, see `line.py`.
        told_lost: of them, what receiver reports told.
        nacked: sequence numbers asked for again.
        plis: keyframes asked for.
    """

    received: int = 0
    expected: int = 0
    retransmitted: int = 0
    undecipherable: int = 0
    received_bytes: int = 0
    dropped_by_filter: int = 0
    overflowed: int = 0
    checked: int = 0
    wire_bytes: int = 0
    lost: int = 0
    told_lost: int = 0
    nacked: int = 0
    plis: int = 0

    @property
    def sent(self) -> int:
        """Media packets that the server sent to a checking viewer, as far as its kernel had room."""
        return self.received + self.lost

    @property
    def delivered(self) -> int:
        """Media packets that reached any viewer's socket, retransmissions too."""
        return (
            self.received
            + self.lost
            + self.retransmitted
            + self.undecipherable
            + self.dropped_by_filter
            + self.overflowed
        )

    @property
    def loss(self) -> float:
        """Share of the expected packets that checking viewers did not get."""
        return max(0.0, 1 - self.received / self.expected) if self.expected else 0.0

    def add(self, other: Counts) -> None:
        """Take another viewer's counts in."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def since(self, earlier: Counts) -> Counts:
        """What came between two moments; `checked` stays a number of viewers."""
        between = Counts(
            **{f.name: getattr(self, f.name) - getattr(earlier, f.name) for f in fields(self)},
        )
        between.checked = self.checked
        return between


class Sequence:
    """One SSRC's sequence numbers."""

    __slots__ = ("_highest", "_lowest", "received")

    def __init__(self, first: int) -> None:
        self.received = 0
        self._lowest = self._highest = first

    @property
    def expected(self) -> int:
        """From the first to the highest."""
        return self._highest - self._lowest + 1

    @property
    def highest(self) -> int:
        """Extended by the number of wraps (RFC 3550 section 6.4.1)."""
        return self._highest

    def take(self, seq: int) -> None:
        """Count one packet, in whatever order."""
        self.received += 1
        extended = self._highest + ((seq - self._highest + _HALF) & 0xFFFF) - _HALF
        if extended > self._highest:
            self._highest = extended
        elif extended < self._lowest:
            self._lowest = extended
