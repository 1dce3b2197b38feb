"""One viewer without its socket: keys, subscriptions, RTCP, repair, counters.

Sans-IO: `now` (monotonic) and `wall_s` (since 1970) come in, encrypted datagrams go out. `loop.py` owns the
sockets and calls this from the plane's one thread.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from transport.plane.interface import PlaneOptions, SrtpProfile, Subscription
from transport.plane.outgoing import Outgoing
from transport.plane.retransmission import Budget, Lookups, Repeats, RtxStream
from transport.plane.source import Source
from transport.plane.srtp import SrtpSession
from transport.rtp import rtcp

_REPORT_INTERVAL_S = 1.0
#: The answer to a receiver's clock goes out at once, but not more often than this.
_MIN_REPORT_INTERVAL_S = 0.2
_MAX_RTT_S = 60.0
#: A compound as long as this takes no further stream.
_FULL_COMPOUND_BYTES = 680
_U64 = (1 << 64) - 1


@dataclass(slots=True)
class Counters:
    """See `interface.COUNTERS`."""

    packets_sent: int = 0
    bytes_sent: int = 0
    video_bytes: int = 0
    packets_dropped: int = 0
    retransmitted: int = 0
    rtx_refused: int = 0
    nacks: int = 0
    plis: int = 0
    video_lost: int = 0
    audio_lost: int = 0
    video_fraction_lost: float = 0.0
    audio_fraction_lost: float = 0.0
    video_jitter_ms: float = 0.0
    audio_jitter_ms: float = 0.0
    rtt_ms: float = 0.0
    remb_bps: int = 0
    last_heard_s: float = 0.0


@dataclass(slots=True)
class Reaction:
    """What a viewer's RTCP asks for.

    Attributes:
        datagrams: to be sent to it at once.
        keyframes: feeds that it cannot decode.
        has_left: it said goodbye.
    """

    datagrams: list[bytes] = field(default_factory=list)
    keyframes: list[Source] = field(default_factory=list)
    has_left: bool = False


class Viewer:
    """The sending side of one peer."""

    def __init__(self, peer_id: int, options: PlaneOptions, now: float) -> None:
        self.id = peer_id
        self.counters = Counters()
        self._options = options
        self._used_keys: set[bytes] = set()
        self._srtp: SrtpSession | None = None
        self._outgoing: dict[int, Outgoing] = {}
        self._rtx: dict[int, RtxStream] = {}
        self._budget = Budget(options.max_rtx_fraction, now)
        self._lookups = Lookups(now)
        self._repeats = Repeats()
        self._reported_at: dict[int, float] = {}
        self._reference_times: dict[int, tuple[int, float]] = {}

    @property
    def has_keys(self) -> bool:
        """SRTP can be sent and received."""
        return self._srtp is not None

    @property
    def outgoing(self) -> Iterable[Outgoing]:
        """Every subscription."""
        return self._outgoing.values()

    def set_keys(self, profile: SrtpProfile, tx: bytes, rx: bytes) -> None:
        """Start SRTP, or change its keys.

        A key that was used before changes nothing: a new context would count rollovers from zero and encrypt
        under numbers that were used before.
        """
        if tx in self._used_keys:
            return
        self._srtp = SrtpSession(profile, tx, rx)
        self._used_keys.add(tx)
        for outgoing in self._outgoing.values():
            outgoing.forget_sent()

    def subscribe(
        self, subscription: Subscription, source: Source, now: float, *, meanwhile: bool = True
    ) -> Outgoing:
        """Begin a subscription, or move the one with this ssrc."""
        outgoing = self._outgoing.get(subscription.ssrc)
        if outgoing is None:
            outgoing = self._outgoing[subscription.ssrc] = Outgoing(subscription, source, self._options)
        else:
            outgoing.move(subscription, source, now, meanwhile=meanwhile)
        if subscription.rtx_ssrc is not None and subscription.rtx_ssrc not in self._rtx:
            self._rtx[subscription.rtx_ssrc] = RtxStream(subscription.rtx_ssrc)
        return outgoing

    def pull(self, outgoing: Outgoing, now: float, *, room_bytes: float) -> list[bytes]:
        """Media of one subscription that is due, encrypted; see `Outgoing.pull`."""
        if self._srtp is None:
            return []
        skipped, octets = outgoing.skipped, outgoing.octets
        packets = outgoing.pull(now, room_bytes=room_bytes)
        if outgoing.octets != octets and outgoing.source.is_video:
            self.counters.video_bytes += outgoing.octets - octets
        self.counters.packets_dropped += outgoing.skipped - skipped
        protect = self._srtp.protect
        datagrams = [datagram for packet in packets if (datagram := protect(packet)) is not None]
        if datagrams:
            self._budget.sent(sum(map(len, datagrams)), now)
        return datagrams

    def reports(self, now: float, wall_s: float) -> list[bytes]:
        """Sender reports, encrypted: one a second, the first right after the first packet.

        One stream's that is due takes the others' along, and from then on they are due together: a compound
        for all of them (RFC 8108 section 5.2).
        """
        interval = _MIN_REPORT_INTERVAL_S if self._reference_times else _REPORT_INTERVAL_S
        told = {
            ssrc: outgoing
            for ssrc, outgoing in self._outgoing.items()
            if outgoing.packets and not outgoing.source.closed
        }
        is_due = any(now - self._reported_at.get(ssrc, -math.inf) >= interval for ssrc in told)
        if self._srtp is None or not is_due:
            return []
        compounds = [b""]
        for ssrc, outgoing in told.items():
            self._reported_at[ssrc] = now
            if len(compounds[-1]) > _FULL_COMPOUND_BYTES:
                compounds.append(b"")
            compounds[-1] += self._sender_report(outgoing, now, wall_s)
        return [self._srtp.protect_rtcp(compound) for compound in compounds]

    def bye(self, now: float, wall_s: float) -> list[bytes]:
        """A goodbye for every stream that was sent, encrypted."""
        sent = [outgoing for outgoing in self._outgoing.values() if outgoing.packets]
        if self._srtp is None or not sent:
            return []
        ssrcs: list[int] = []
        for outgoing in sent:
            ssrcs.append(outgoing.subscription.ssrc)
            if outgoing.subscription.rtx_ssrc is not None:
                ssrcs.append(outgoing.subscription.rtx_ssrc)
        compound = self._sender_report(sent[0], now, wall_s)
        return [self._srtp.protect_rtcp(compound + rtcp.serialize_compound([rtcp.Bye(tuple(ssrcs[:31]))]))]

    def receive_rtcp(self, datagram: bytes, now: float, wall_s: float) -> Reaction:
        """Take one SRTCP datagram.

        Raises:
            WireError: no keys yet, not authentic, or malformed.
        """
        reaction = Reaction()
        if self._srtp is None:
            return reaction
        for packet in rtcp.parse_compound(self._srtp.unprotect_rtcp(datagram)):
            match packet:
                case rtcp.ReceiverReport(_, blocks) | rtcp.SenderReport(_, _, _, _, _, blocks):
                    for block in blocks:
                        self._take_block(block, now, wall_s)
                case rtcp.Nack(_, media_ssrc, seqs):
                    self._repair(media_ssrc, seqs, now, reaction)
                case rtcp.PictureLoss(_, media_ssrc):
                    self._want_keyframe(media_ssrc, reaction)
                case rtcp.FullIntraRequest(_, requests):
                    for ssrc, _number in requests:
                        self._want_keyframe(ssrc, reaction)
                case rtcp.Remb(_, bitrate_bps, _):
                    self.counters.remb_bps = min(_U64, bitrate_bps)
                case rtcp.ReceiverReferenceTime(ssrc, ntp):
                    self._reference_times = {ssrc: (rtcp.middle_bits(ntp), now)}
                case rtcp.Bye():
                    reaction.has_left = True
                case _:
                    pass
        self.counters.last_heard_s = now
        return reaction

    def _sender_report(self, outgoing: Outgoing, now: float, wall_s: float) -> bytes:
        ssrc = outgoing.subscription.ssrc
        report = rtcp.SenderReport(
            ssrc,
            rtcp.ntp_time(wall_s),
            outgoing.source.timestamp_at(wall_s) + outgoing.shift,
            outgoing.packets,
            outgoing.octets,
        )
        packets: list[rtcp.RtcpPacket] = [
            report,
            rtcp.SourceDescription(((ssrc, outgoing.subscription.cname),)),
        ]
        if self._reference_times:
            heard = tuple(
                (receiver, middle, int((now - at) * 65536))
                for receiver, (middle, at) in self._reference_times.items()
            )
            packets.append(rtcp.Dlrr(ssrc, heard))
            self._reference_times = {}
        return rtcp.serialize_compound(packets)

    def _take_block(self, block: rtcp.ReportBlock, now: float, wall_s: float) -> None:
        outgoing = self._outgoing.get(block.ssrc)
        if outgoing is None:
            return
        counters = self.counters
        jitter_ms = block.jitter * 1000 / outgoing.source.clock_rate
        if outgoing.source.is_video:
            counters.video_lost = block.cumulative_lost
            counters.video_fraction_lost = block.fraction_lost
            counters.video_jitter_ms = jitter_ms
        else:
            counters.audio_lost = block.cumulative_lost
            counters.audio_fraction_lost = block.fraction_lost
            counters.audio_jitter_ms = jitter_ms
        if block.lsr:
            elapsed = rtcp.middle_bits(rtcp.ntp_time(wall_s)) - block.lsr - block.dlsr & 0xFFFFFFFF
            if elapsed < _MAX_RTT_S * 65536:  # else the clock was set, or the report is wrong
                counters.rtt_ms = elapsed * 1000 / 65536
        if outgoing.source.is_video:
            outgoing.playout.reported(block.fraction_lost, counters.rtt_ms, now)

    def _want_keyframe(self, ssrc: int, reaction: Reaction) -> None:
        outgoing = self._outgoing.get(ssrc)
        if outgoing is not None:
            self.counters.plis += 1
            reaction.keyframes.append(outgoing.source)

    def _repair(self, ssrc: int, seqs: tuple[int, ...], now: float, reaction: Reaction) -> None:
        outgoing = self._outgoing.get(ssrc)
        if outgoing is None or self._srtp is None:
            return
        counters = self.counters
        counters.nacks += len(seqs)
        subscription = outgoing.subscription
        rtx = None if subscription.rtx_ssrc is None else self._rtx.get(subscription.rtx_ssrc)
        granted = self._lookups.take(len(seqs), now)
        counters.rtx_refused += len(seqs) - granted
        for seq in seqs[:granted]:
            packet = outgoing.find(seq)
            if packet is None:
                counters.rtx_refused += 1
                continue
            if not self._repeats.is_due(ssrc, packet.number, counters.rtt_ms / 1000, now):
                continue
            if not self._budget.allows(len(packet.payload), now):
                counters.rtx_refused += 1
                continue
            if rtx is not None and subscription.rtx_payload_type is not None:
                plain = rtx.wrap(packet, subscription.rtx_payload_type)
            else:
                plain = packet.serialize()
            datagram = self._srtp.protect(plain)
            if datagram is None:
                counters.rtx_refused += 1
                continue
            counters.retransmitted += 1
            reaction.datagrams.append(datagram)
