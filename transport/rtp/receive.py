"""What a browser or OBS publishes (WHIP, RFC 9725), from decrypted RTP and RTCP packets to access units.

`incoming.py` does the work for one track. Here packets find their track, and what the sender has to hear goes
out: reports, requests for packets and keyframes, and how fast it may send.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transport.errors import WireError
from transport.media import AccessUnit, Track
from transport.rtp import header, rtcp
from transport.rtp.alignment import TimeAxis
from transport.rtp.bandwidth import BandwidthLimit
from transport.rtp.incoming import IncomingStream, IncomingTrack
from transport.rtp.layers import LayeredTrack
from transport.rtp.transport_cc import NUMBER_BYTES, ArrivalLog

__all__ = ["IncomingTrack", "ReceiverCounters", "RtpReceiver"]

_REPORT_INTERVAL_S = 1.0
#: What a sender may send it learns from reports; at first it knows nothing.
_FIRST_INTERVAL_S = 0.5
_FIRST_REPORTS_S = 5.0
#: In which the first packets of all tracks come.
_TOGETHER_S = 0.1
#: Reports of sources whose payload type is not known yet.
_MAX_EARLY_REPORTS = 8


@dataclass(frozen=True, slots=True)
class ReceiverCounters:
    """What has come so far.

    Attributes:
        packets: RTP packets, retransmissions and probes among them.
        bytes: of them, with headers.
        lost: packets given up.
        recovered: packets that were missing and came: sent again, or late.
        nacks: NACK packets sent; each names up to 128 packets.
        plis: requests for a keyframe sent.
        damaged: access units given up because of packets that were missing or made no sense.
        malformed: packets that could not be read, RTP, RTCP or payload.
        ignored: packets of payload types or sources that were not agreed on, or are no longer used.
        jitter_ms: interarrival jitter (RFC 3550 A.8) of the track that has most.
    """

    packets: int = 0
    bytes: int = 0
    lost: int = 0
    recovered: int = 0
    nacks: int = 0
    plis: int = 0
    damaged: int = 0
    malformed: int = 0
    ignored: int = 0
    jitter_ms: float = 0.0


class RtpReceiver:
    """The receiving side of RTP for one publisher.

    Units are handed out as soon as they are complete and all before them have been handed out or given up. Of
    a picture track nothing is handed out before its first keyframe, nor after a loss before the next.

    Args:
        tracks: as agreed on; of a payload type that several name, the first counts.
        ssrc: what this side calls itself in RTCP.
        max_bitrate_bps: what the publisher may send at most, all tracks together.
        transport_cc: id of the header extension that numbers packets of all tracks, 0 if not agreed on. With
            it the sender is told when each packet came, and decides how fast to send; without, by REMB.
        now: time.monotonic(), as everywhere here, in seconds.
    """

    #: A keyframe is asked for when none came for so long: viewers join there, and browsers make none unasked.
    keyframe_interval_s = 2.0

    def __init__(
        self,
        tracks: Sequence[IncomingTrack],
        *,
        ssrc: int,
        max_bitrate_bps: int,
        transport_cc: int = 0,
        now: float,
    ) -> None:
        axis = TimeAxis()
        self._tracks = tuple(self._track(track, axis) for track in tracks)
        self._streams = tuple(
            stream
            for each in self._tracks
            for stream in (each.layers if isinstance(each, LayeredTrack) else (each,))
        )
        self._takers = {
            payload_type: push
            for agreed, each in reversed(list(zip(tracks, self._tracks, strict=True)))
            for payload_type, push in (
                (agreed.rtx_payload_type, each.push_retransmission),
                (agreed.payload_type, each.push),
            )
            if payload_type is not None
        }
        self._ssrc = ssrc
        self._limit = BandwidthLimit(max_bitrate_bps)
        self._transport_cc = transport_cc
        self._arrivals = ArrivalLog()
        self._ready: list[AccessUnit] = []
        self._early: dict[int, tuple[rtcp.SenderReport, float]] = {}
        self._ssrcs: tuple[int | None, ...] = (None,) * len(self._streams)
        self._first_at: float | None = None
        self._report_at = now + _FIRST_INTERVAL_S
        self._reported_at = now
        self._reported_bytes = 0
        self._reported_missing = 0
        self._packets = 0
        self._bytes = 0
        self._nacks = 0
        self._plis = 0
        self._malformed = 0
        self._ignored = 0

    @property
    def tracks(self) -> tuple[Track, ...]:
        """As known so far, in the order agreed on; the units' tracks are right at any time."""
        return tuple(each.track for each in self._tracks)

    @property
    def silent(self) -> tuple[Track, ...]:
        """Tracks that were agreed on and of which no packet has come."""
        return tuple(each.track for each in self._tracks if each.reception is None)

    @property
    def _media_ssrc(self) -> int:
        """One of the sources that were heard, 0 before."""
        return next((stream.ssrc for stream in self._streams if stream.ssrc is not None), 0)

    @property
    def is_over(self) -> bool:
        """Every source that was heard has said goodbye, one at least."""
        known = [stream.is_over for stream in self._streams if stream.reception is not None]
        return bool(known) and all(known)

    @property
    def counters(self) -> ReceiverCounters:
        """What has come so far."""
        streams = self._streams
        jitters_s = [stream.reception.jitter_s for stream in streams if stream.reception is not None]
        return ReceiverCounters(
            packets=self._packets,
            bytes=self._bytes,
            lost=sum(stream.lost for stream in streams),
            recovered=sum(stream.recovered for stream in streams),
            nacks=self._nacks,
            plis=self._plis,
            damaged=sum(stream.damaged for stream in streams),
            malformed=self._malformed + sum(stream.malformed for stream in streams),
            ignored=self._ignored + sum(each.ignored for each in {*streams, *self._tracks}),
            jitter_ms=1000 * max(jitters_s, default=0.0),
        )

    def receive(self, packet: bytes, now: float) -> None:
        """Take one packet, RTP or RTCP (RFC 5761 section 4); what cannot be used is counted."""
        try:
            if rtcp.is_rtcp(packet):
                self._receive_rtcp(rtcp.parse_compound(packet), now)
                return
            parsed = header.parse(packet)
        except WireError:
            self._malformed += 1
            return
        self._packets += 1
        self._bytes += len(packet)
        if self._transport_cc:
            number = parsed.extension(self._transport_cc)
            if number is not None and len(number) == NUMBER_BYTES:
                self._arrivals.note(int.from_bytes(number, "big"), now)
        take = self._takers.get(parsed.payload_type)
        if take is None:
            self._ignored += 1
            return
        self._ready += take(parsed, now)
        if parsed.ssrc not in self._ssrcs:
            self._meet(now)

    def units(self, now: float) -> list[AccessUnit]:
        """Hand out what is complete, in order per track."""
        self._give_up(now)
        units, self._ready = self._ready, []
        return units

    def feedback(self, now: float) -> list[bytes]:
        """RTCP compound packets to be sent now, unprotected; none or one."""
        self._give_up(now)
        streams = [stream for stream in self._streams if stream.reception is not None and not stream.is_over]
        packets: list[rtcp.RtcpPacket] = []
        report = rtcp.ReceiverReport(self._ssrc, ())
        if now >= self._report_at:
            if streams:
                report = rtcp.ReceiverReport(self._ssrc, self._report(streams, now))
                media = tuple(stream.ssrc for stream in streams if stream.ssrc is not None)
                if not self._transport_cc:
                    packets.append(rtcp.Remb(self._ssrc, self._limit.bps, media))
            first_at = now if self._first_at is None else self._first_at
            is_early = now - first_at < _FIRST_REPORTS_S
            self._report_at = now + (_FIRST_INTERVAL_S if is_early else _REPORT_INTERVAL_S)
        for stream in streams:
            assert stream.ssrc is not None
            if seqs := stream.requests(now):
                packets.append(rtcp.Nack(self._ssrc, stream.ssrc, tuple(seqs)))
                self._nacks += 1
            if stream.keyframes is not None and stream.keyframes.take(now):
                packets.append(rtcp.PictureLoss(self._ssrc, stream.ssrc))
                self._plis += 1
        packets += self._arrivals.feedback(self._ssrc, self._media_ssrc, now)
        if not packets and not report.blocks:
            return []
        # RFC 3550 6.1: a report first, then who says so; RFC 4585 3.1: feedback behind it.
        said_by = rtcp.SourceDescription(((self._ssrc, f"{self._ssrc:08x}"),))
        return [rtcp.serialize_compound([report, said_by, *packets])]

    def request_keyframe(self) -> None:
        """Ask for a keyframe with the next feedback, though at most every 0.5 s."""
        for stream in self._streams:
            if stream.keyframes is not None:
                stream.keyframes.want()

    def deadline(self, now: float) -> float:
        """When to call `units` and `feedback` again though nothing came; `now` when they have something."""
        if self._ready:
            return now
        due = [stream.deadline() for stream in self._streams]
        return max(now, min([self._report_at, self._arrivals.deadline(), *due]))

    def _track(self, agreed: IncomingTrack, axis: TimeAxis) -> IncomingStream | LayeredTrack:
        if agreed.layers is not None:
            return LayeredTrack(agreed, agreed.layers, axis, self.keyframe_interval_s)
        return IncomingStream(agreed, axis.clock(agreed.clock_rate), self.keyframe_interval_s)

    def _give_up(self, now: float) -> None:
        for stream in self._streams:
            if stream.deadline() <= now:
                self._ready += stream.give_up(now)

    def _receive_rtcp(self, packets: list[rtcp.RtcpPacket], now: float) -> None:
        for packet in packets:
            if isinstance(packet, rtcp.SenderReport):
                self._take_report(packet, now)
            elif isinstance(packet, rtcp.Bye):
                for stream in self._streams:
                    if stream.ssrc in packet.ssrcs and not stream.is_over:
                        self._ready += stream.end()

    def _take_report(self, report: rtcp.SenderReport, now: float) -> None:
        for stream in self._streams:
            if stream.ssrc == report.ssrc:
                stream.sender_report(report.ntp, report.rtp_timestamp, now)
                return
        self._early.pop(report.ssrc, None)
        self._early[report.ssrc] = (report, now)
        if len(self._early) > _MAX_EARLY_REPORTS:
            del self._early[next(iter(self._early))]

    def _meet(self, now: float) -> None:
        """A packet's source is not among those known: it is new, or one of retransmissions."""
        self._ssrcs, before = tuple(stream.ssrc for stream in self._streams), self._ssrcs
        for stream, known in zip(self._streams, before, strict=True):
            if stream.ssrc is None or stream.ssrc == known:
                continue
            if self._first_at is None:
                self._first_at = self._reported_at = now
            self._report_at = min(self._report_at, now + _TOGETHER_S)
            if stream.ssrc in self._early:
                report, came_at = self._early.pop(stream.ssrc)
                stream.sender_report(report.ntp, report.rtp_timestamp, came_at)

    def _report(self, streams: Sequence[IncomingStream], now: float) -> tuple[rtcp.ReportBlock, ...]:
        """Report on what was heard since the last report, and learn from it how fast the sender may send."""
        heard = [stream.reception for stream in streams if stream.reception and stream.reception.is_heard]
        blocks = tuple(reception.block(now) for reception in heard)
        # What was sent again under its old number is not lost in a report, but was so on the way.
        missing = sum(stream.lost + stream.recovered for stream in self._streams)
        self._limit.interval(
            now - self._reported_at,
            self._bytes - self._reported_bytes,
            sum(reception.interval_expected for reception in heard),
            missing - self._reported_missing,
        )
        self._reported_at, self._reported_bytes, self._reported_missing = now, self._bytes, missing
        return blocks[:31]
