"""What RTCP packets say, without how: `rtcp.py` reads and writes them."""

from __future__ import annotations

from dataclasses import dataclass

_UNIX_TO_NTP_S = 2_208_988_800


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one source (RFC 3550 6.4.1).

    Attributes:
        ssrc: the source.
        fraction_lost: 0-1, since the last report.
        cumulative_lost: packets, negative with duplicates.
        highest_seq: extended highest sequence number received.
        jitter: ticks of the source's clock.
        lsr: middle 32 bits of the NTP time of the last sender report, 0 for none.
        dlsr: delay since then in 1/65536 s.
    """

    ssrc: int
    fraction_lost: float
    cumulative_lost: int
    highest_seq: int
    jitter: int
    lsr: int
    dlsr: int


@dataclass(frozen=True, slots=True)
class SenderReport:
    """NTP and RTP time of the same moment, and what was sent until then.

    Attributes:
        ntp: 64 bits, 1/2**32 s since 1900.
        packets: modulo 2**32, as are `octets` (payload only).
    """

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """Report blocks of somebody who sends nothing."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """(ssrc, CNAME) of each source; other items are skipped."""

    cnames: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Bye:
    """These sources end."""

    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Nack:
    """Generic NACK (RFC 4585 6.2.1): the sequence numbers of `media_ssrc` that are missing."""

    sender_ssrc: int
    media_ssrc: int
    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """When packets came (draft-holmer-rmcat-transport-wide-cc-extensions-01), see `transport_cc.py`.

    Attributes:
        base_seq: the first packet's number within the transport, 16 bits.
        number: of this feedback, 8 bits.
        arrivals: of each packet from the first on, in 1/4000 s of any clock; None: it did not come.
    """

    sender_ssrc: int
    media_ssrc: int
    base_seq: int
    number: int
    arrivals: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class PictureLoss:
    """PLI (RFC 4585 6.3.1)."""

    sender_ssrc: int
    media_ssrc: int


@dataclass(frozen=True, slots=True)
class FullIntraRequest:
    """FIR (RFC 5104 4.3.1): (ssrc, command sequence number) of each source that is asked."""

    sender_ssrc: int
    requests: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Remb:
    """The receiver's estimate of its bandwidth, bits per second."""

    sender_ssrc: int
    bitrate_bps: int
    ssrcs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReferenceTime:
    """XR block 4 (RFC 3611 4.4): the receiver's clock, which the sender answers with `Dlrr`."""

    ssrc: int
    ntp: int


@dataclass(frozen=True, slots=True)
class Dlrr:
    """XR block 5 (RFC 3611 4.5): (receiver's ssrc, middle bits of its NTP time, delay in 1/65536 s)."""

    ssrc: int
    reports: tuple[tuple[int, int, int], ...]


RtcpPacket = (
    SenderReport
    | ReceiverReport
    | SourceDescription
    | Bye
    | Nack
    | TransportFeedback
    | PictureLoss
    | FullIntraRequest
    | Remb
    | ReceiverReferenceTime
    | Dlrr
)


def ntp_time(unix_s: float) -> int:
    """Seconds since 1970 as 64-bit NTP time."""
    return int((unix_s + _UNIX_TO_NTP_S) * (1 << 32)) & (1 << 64) - 1


def middle_bits(ntp: int) -> int:
    """The 32 bits of a 64-bit NTP time that LSR and LRR carry: 1/65536 s."""
    return ntp >> 16 & 0xFFFFFFFF
