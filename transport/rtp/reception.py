"""What a receiver reports of one RTP stream: loss, jitter, when its sender's report came (RFC 3550 6.4)."""

from __future__ import annotations

from transport.rtp.rtcp import ReportBlock, middle_bits

_HALF = 1 << 31


class Reception:
    """Counts one source's packets as they arrive, before anything is repaired.

    Args:
        ssrc: the source.
        clock_rate: ticks per second of its timestamps.
        seq: of its first packet.

    Attributes:
        highest_seq: extended highest sequence number received.
        received: packets, those that came twice too.
        interval_expected: packets between the last two reports, by their sequence numbers.
    """

    def __init__(self, ssrc: int, clock_rate: int, seq: int) -> None:
        self.ssrc = ssrc
        self.highest_seq = seq - 1
        self.received = 0
        self.interval_expected = 0
        self._clock_rate = clock_rate
        self._base_seq = seq
        self._jitter = 0.0
        self._last: tuple[int, float] | None = None
        self._expected_before = 0
        self._received_before = 0
        self._report: tuple[int, float] | None = None

    @property
    def jitter_s(self) -> float:
        """Interarrival jitter, seconds."""
        return self._jitter / self._clock_rate

    @property
    def is_heard(self) -> bool:
        """Packets came since the last report."""
        return self.received > self._received_before

    def packet(self, seq: int, timestamp: int, now: float) -> None:
        """Count one; jitter as RFC 3550 A.8 has it, of packets that nothing overtook.

        What was sent again has an old timestamp and says nothing of the network's jitter.
        """
        self.received += 1
        if seq <= self.highest_seq:
            return
        self.highest_seq = seq
        if self._last is not None:
            last_timestamp, last_at = self._last
            sent = ((timestamp - last_timestamp + _HALF) & 0xFFFFFFFF) - _HALF
            self._jitter += (abs((now - last_at) * self._clock_rate - sent) - self._jitter) / 16
        self._last = (timestamp, now)

    def sender_report(self, ntp: int, now: float) -> None:
        """Remember what the sender wants to hear of its report."""
        self._report = (middle_bits(ntp), now)

    def block(self, now: float) -> ReportBlock:
        """Report, and begin the next interval (RFC 3550 A.3)."""
        expected = self.highest_seq - self._base_seq + 1
        self.interval_expected = expected - self._expected_before
        received = self.received - self._received_before
        lost = max(0, self.interval_expected - received)
        self._expected_before, self._received_before = expected, self.received
        fraction = lost / self.interval_expected if lost else 0.0
        lsr, came_at = self._report or (0, now)
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=fraction,
            cumulative_lost=expected - self.received,
            highest_seq=self.highest_seq & 0xFFFFFFFF,
            jitter=int(self._jitter),
            lsr=lsr,
            dlsr=int((now - came_at) * 65_536),
        )
