"""What a viewer received, and tells the sender of that: reports (RFC 3550 6.4) and requests (RFC 4585)."""

from __future__ import annotations

import struct

from loadtests.crowd import sdp
from loadtests.crowd.line import Line, Missing
from loadtests.crowd.tally import Counts, Sequence
from transport.rtp import rtcp

_HEADER = struct.Struct("!BBHII")
_TICKS_PER_MS = 90
_PERFECT = Line()


class Reception:
    """Of one viewer that decrypts. No I/O; `now` is time.monotonic().

    Args:
        line: what it receives by; None for a perfect one, and then nothing is asked for again.

    Attributes:
        counts: what arrived.
        rtx_types: payload types of retransmissions.
        video: SSRC of the picture, 0 before its first packet.
    """

    def __init__(self, line: Line | None = None) -> None:
        self.counts = Counts()
        self.rtx_types: frozenset[int] = frozenset()
        self.video = 0
        self._line = line
        self._missing = Missing(line.rtt_ms / 1000 if line is not None else 0.0)
        self._sequences: dict[int, Sequence] = {}
        self._senders: dict[int, tuple[rtcp.SenderReport, float]] = {}
        self._told: dict[int, tuple[int, int]] = {}

    def take(self, packet: bytes, now: float) -> bool:
        """Count one RTP packet; True if it is media that the viewer gets."""
        counts = self.counts
        counts.received_bytes += len(packet)
        _, kind, seq, _, ssrc = _HEADER.unpack_from(packet)
        payload_type = kind & 0x7F
        if payload_type in self.rtx_types:
            counts.retransmitted += 1
            if self._line is not None and not self._line.loses():
                at = _payload_at(packet)
                self._missing.came([packet[at] << 8 | packet[at + 1]])
            return False
        sequence = self._sequences.get(ssrc)
        if sequence is None:
            sequence = self._sequences[ssrc] = Sequence(seq)
        elif self._line is not None and self._line.loses():
            counts.lost += 1
            return False
        before = sequence.highest
        sequence.take(seq)
        counts.received += 1
        if payload_type == sdp.VIDEO_TYPE:
            self.video = ssrc
            if self._line is not None:
                self._missing.came((seq,))
                self._missing.skipped(range(before + 1, sequence.highest), now)
        return True

    def take_report(self, report: rtcp.SenderReport, now: float) -> None:
        """What the sender says it sent."""
        self._senders[report.ssrc] = report, now

    def wanted(self, now: float) -> tuple[int, ...]:
        """Pictures' packets to ask for now; counts them as asked for."""
        seqs = self._missing.wanted(now)
        self.counts.nacked += len(seqs)
        return seqs

    def expected(self) -> int:
        """Media packets sent, by their numbers."""
        return sum(sequence.expected for sequence in self._sequences.values())

    def blocks(self, now: float) -> tuple[rtcp.ReportBlock, ...]:
        """A report on every stream; counts as told what they tell."""
        blocks = tuple(self._block(ssrc, now) for ssrc in list({**self._senders, **self._sequences})[:31])
        self.counts.told_lost = sum(block.cumulative_lost for block in blocks)
        return blocks

    def _block(self, ssrc: int, now: float) -> rtcp.ReportBlock:
        sender = self._senders.get(ssrc)
        sequence = self._sequences.get(ssrc)
        line = self._line or _PERFECT
        lsr = dlsr = 0
        if sender is not None:
            lsr = rtcp.middle_bits(sender[0].ntp)
            dlsr = round((now - sender[1] - line.rtt_ms / 1000) * 65536)
        if sequence is None:
            # Who drops media in the kernel claims to have got all that was sent.
            assert sender is not None
            return rtcp.ReportBlock(ssrc, 0.0, 0, sender[0].packets, 0, lsr, dlsr)
        expected, received = self._told.get(ssrc, (0, 0))
        self._told[ssrc] = sequence.expected, sequence.received
        expected, received = sequence.expected - expected, sequence.received - received
        fraction = max(0.0, 1 - received / expected) if expected else 0.0
        lost = sequence.expected - sequence.received
        jitter = round(line.jitter_ms * _TICKS_PER_MS)
        return rtcp.ReportBlock(ssrc, fraction, lost, sequence.highest, jitter, lsr, dlsr)


def _payload_at(packet: bytes) -> int:
    """Behind the CSRCs and the header extensions."""
    at = _HEADER.size + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        at += 4 + 4 * int.from_bytes(packet[at + 2 : at + 4], "big")
    return at
