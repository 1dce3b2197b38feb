"""What somebody publishes over RTSP, from its description and its packets to access units."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass

from transport.errors import WireError
from transport.media import AccessUnit, Codec, Track
from transport.media.aac import parse_config
from transport.media.audioframe import UnsupportedAudio
from transport.rtp import header, rtcp
from transport.rtp.alignment import TimeAxis, TrackClock
from transport.rtp.incoming import IncomingStream, IncomingTrack
from transport.rtp.reorder import Ordered, ReorderBuffer
from transport.rtsp.assemble import SoundAssembler
from transport.rtsp.mikey import parse_key
from transport.rtsp.sdp import Announced
from transport.rtsp.srtp import Opener
from transport.rtsp.unwrap import unwrapper

_NAMES = {
    "h264": Codec.H264,
    "h265": Codec.H265,
    "mpeg4-generic": Codec.AAC,
    "opus": Codec.OPUS,
    "mpa": Codec.MP3,  # all layers of MPEG audio; the frames tell them apart
    "ac3": Codec.AC3,
    "pcma": Codec.PCMA,
    "pcmu": Codec.PCMU,
    "l16": Codec.L16,
    "g722": Codec.G722,
    **{f"g726-{8 * bits}": Codec.G726 for bits in range(2, 6)},
    **{f"aal2-g726-{8 * bits}": Codec.AAL2_G726 for bits in range(2, 6)},
}
#: What only a number says (RFC 3551 section 6): name, clock rate, channels.
_STATIC = {
    0: ("pcmu", 8000, 1),
    8: ("pcma", 8000, 1),
    9: ("g722", 8000, 1),
    10: ("l16", 44_100, 2),
    11: ("l16", 44_100, 1),
    14: ("mpa", 90_000, 0),
}
_SPROP = ("sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps")
_GIVE_UP_S = 0.15
#: A sequence number that is further off is one of a sender that started again.
_MAX_JUMP = 3_000
_HALF = 1 << 15


@dataclass(frozen=True, slots=True)
class ReceptionCounters:
    """What has come so far.

    Attributes:
        packets: RTP packets.
        bytes: of them, with headers.
        lost: packets given up.
        malformed: packets and units that made no sense.
    """

    packets: int = 0
    bytes: int = 0
    lost: int = 0
    malformed: int = 0


class Reception:
    """Takes the first picture and the first sound of an announcement that can be carried.

    Raises:
        WireError: there is neither; says why.
    """

    def __init__(self, announced: Sequence[Announced]) -> None:
        axis = TimeAxis()
        self._left_out: list[str] = []
        self._streams: dict[int, _Pictures | _Sounds] = {}
        self._openers: dict[int, Opener] = {}
        self._packets = 0
        self._bytes = 0
        self._malformed = 0
        for number, media in enumerate(announced):
            try:
                self._take(number, media, axis)
            except (WireError, UnsupportedAudio) as error:
                self._left_out.append(str(error))
        if not self._streams:
            raise WireError("; ".join(self._left_out) or "nothing is announced")

    @property
    def tracks(self) -> tuple[Track, ...]:
        """As known so far; the units' tracks are right at any time."""
        return tuple(stream.track for stream in self._streams.values())

    @property
    def counters(self) -> ReceptionCounters:
        """What has come so far."""
        streams = self._streams.values()
        return ReceptionCounters(
            self._packets,
            self._bytes,
            sum(stream.lost for stream in streams),
            self._malformed + sum(stream.malformed for stream in streams),
        )

    def warnings(self) -> tuple[str, ...]:
        """What is not carried, in words."""
        reasons = [stream.reason for stream in self._streams.values() if stream.reason]
        return (*self._left_out, *reasons)

    def receive(self, track: int, data: bytes, now: float, *, is_rtcp: bool) -> list[AccessUnit]:
        """Take one packet; return the units it completes.

        Args:
            track: its number in the announcement.
            data: the packet; what cannot be used is counted.
            now: time.monotonic().
            is_rtcp: it is RTCP.
        """
        stream = self._streams.get(track)
        if stream is None:
            return []
        opener = self._openers.get(track)
        try:
            if opener is not None:
                data = opener.open(data, is_rtcp=is_rtcp)
            if is_rtcp:
                for packet in rtcp.parse_compound(data):
                    if isinstance(packet, rtcp.SenderReport):
                        stream.report(packet, now)
                return []
            self._packets += 1
            self._bytes += len(data)
            return stream.push(header.parse(data), now)
        except WireError:
            self._malformed += 1
            return []

    def _take(self, number: int, media: Announced, axis: TimeAxis) -> None:
        name, clock_rate, channels = _STATIC.get(media.payload_type, ("", 0, 0))
        name, clock_rate = media.name or name, media.clock_rate or clock_rate
        kind = {"video": "pictures", "audio": "sound"}.get(media.kind, media.kind)
        codec = _NAMES.get(name)
        if codec is None or not clock_rate:
            raise WireError(f"{kind} in {name or 'an unknown coding'} is not supported")
        if any(track.is_video == codec.is_video for track in self.tracks):
            raise WireError(f"a second stream of {kind} is left out")
        if media.is_secured:
            self._openers[number] = Opener(parse_key(media.key_management))
        clock = axis.clock(clock_rate)
        if codec.is_video:
            sets = _parameter_sets(media)
            agreed = IncomingTrack(number, codec, media.payload_type, clock_rate, None, parameter_sets=sets)
            self._streams[number] = _Pictures(agreed, clock)
        else:
            track = _sound_track(number, codec, name, clock_rate, media.channels or channels or 1, media)
            self._streams[number] = _Sounds(track, media, clock)


class _Pictures:
    reason = ""

    def __init__(self, agreed: IncomingTrack, clock: TrackClock) -> None:
        # Nothing is asked of a publisher over RTSP, so no keyframe is ever due.
        self._stream = IncomingStream(agreed, clock, math.inf)

    @property
    def track(self) -> Track:
        return self._stream.track

    @property
    def lost(self) -> int:
        return self._stream.lost

    @property
    def malformed(self) -> int:
        return self._stream.malformed + self._stream.damaged

    def push(self, packet: header.RtpPacket, now: float) -> list[AccessUnit]:
        return self._stream.push(packet, now) + self._stream.give_up(now)

    def report(self, report: rtcp.SenderReport, now: float) -> None:
        if report.ssrc == self._stream.ssrc:
            self._stream.sender_report(report.ntp, report.rtp_timestamp, now)


class _Sounds:
    def __init__(self, track: Track, media: Announced, clock: TrackClock) -> None:
        self._assembler = SoundAssembler(track)
        self._unwrapper = unwrapper(track.codec, media.parameters)
        self._clock = clock
        self._buffer = ReorderBuffer(_GIVE_UP_S, 0)
        self._ssrc: int | None = None
        self._lost = 0
        self._malformed = 0

    @property
    def track(self) -> Track:
        return self._assembler.track

    @property
    def reason(self) -> str:
        return self._assembler.reason

    @property
    def lost(self) -> int:
        return self._lost + self._buffer.lost

    @property
    def malformed(self) -> int:
        return self._malformed + self._assembler.malformed

    def push(self, packet: header.RtpPacket, now: float) -> list[AccessUnit]:
        highest = self._buffer.highest
        seq = highest + ((packet.seq - highest + _HALF) & 0xFFFF) - _HALF
        if packet.ssrc != self._ssrc or abs(seq - highest) > _MAX_JUMP:
            if packet.ssrc != self._ssrc:
                self._clock.begin(packet.timestamp, now)
            self._lost, self._ssrc, seq = self.lost, packet.ssrc, packet.seq
            self._buffer = ReorderBuffer(_GIVE_UP_S, seq)
        ordered = self._buffer.push(seq, packet, now) + self._buffer.give_up(now)
        return [unit for each in ordered for unit in self._assemble(each)]

    def report(self, report: rtcp.SenderReport, now: float) -> None:
        if report.ssrc == self._ssrc:
            self._clock.report(report.ntp, report.rtp_timestamp, now)

    def _assemble(self, ordered: Ordered) -> list[AccessUnit]:
        packet, arrived_at, is_broken = ordered
        pts: int | None = self._clock.place(packet.timestamp, arrived_at)
        units = []
        try:
            frames = self._unwrapper.push(packet.payload, marker=packet.marker, is_broken=is_broken)
        except (WireError, UnsupportedAudio):
            self._malformed += 1
            return []
        for frame in frames:
            units += self._assembler.push(frame, pts, arrived_at)
            pts = None
        return units


def _sound_track(
    number: int, codec: Codec, name: str, clock_rate: int, channels: int, media: Announced
) -> Track:
    match codec:
        case Codec.AAC:
            config = _hexadecimal(media.parameters.get("config", ""))
            parsed = parse_config(config)
            return Track(
                number,
                codec,
                clock_rate,
                parameter_sets=(config,),
                sample_rate=parsed.sample_rate,
                channels=parsed.channels,
            )
        case Codec.OPUS:
            return Track(number, codec, clock_rate, sample_rate=48_000, channels=2)
        case Codec.MP3:
            return Track(number, codec, clock_rate)  # the frames say the rest
        case Codec.G722:
            return Track(number, codec, clock_rate, sample_rate=16_000, channels=channels)
        case Codec.G726 | Codec.AAL2_G726:
            bits = int(name.rpartition("-")[2]) // 8
            return Track(
                number, codec, clock_rate, sample_rate=clock_rate, channels=channels, coded_bits=bits
            )
    return Track(number, codec, clock_rate, sample_rate=clock_rate, channels=channels)


def _hexadecimal(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise WireError("sdp: a configuration that is not hexadecimal") from None


def _parameter_sets(media: Announced) -> tuple[bytes, ...]:
    """Those that are announced; encoders that announce them may send none in the stream."""
    told = [each for name in _SPROP for each in media.parameters.get(name, "").split(",") if each]
    try:
        return tuple(base64.b64decode(each) for each in told)
    except ValueError:
        return ()
