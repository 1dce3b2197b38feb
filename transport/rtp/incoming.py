"""One track on its way in: from packets in any order, some of them missing, to access units.

`reorder.py` puts the packets in order, `depacketize.py` puts them together, `alignment.py` says when they are
shown; here is what happens when something is lost, and when the sender starts again.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from transport.errors import WireError
from transport.media import AccessUnit, Codec, Track, VideoNormalizer, opus
from transport.media.decodingclock import DecodingClock
from transport.rtp.alignment import TrackClock
from transport.rtp.depacketize import Assembled, Depacketizer, may_begin_keyframe
from transport.rtp.header import RtpPacket
from transport.rtp.keyframes import KeyframeRequests
from transport.rtp.reception import Reception
from transport.rtp.reorder import Ordered, ReorderBuffer

#: How long a missing packet is waited for. Without it no picture can be shown; of sound, only 20 ms are gone.
_GIVE_UP_PICTURE_S = 0.4
_GIVE_UP_SOUND_S = 0.15
#: A sequence number that is further off is one of a sender that started again.
_MAX_JUMP = 3_000
#: What still comes of a source that another took the place of. One that is heard later is used again.
_RETIRED_S = 2.0
_OSN_BYTES = 2
_HALF = 1 << 15


@dataclass(frozen=True, slots=True)
class LayerIds:
    """How packets of a track say which layer they are of (RFC 8852).

    Attributes:
        rids: of the layers.
        extension: id of the header extension that has the rid.
        repaired_extension: of that on what is sent again, 0 if not agreed on.
    """

    rids: tuple[str, ...]
    extension: int
    repaired_extension: int


@dataclass(frozen=True, slots=True)
class IncomingTrack:
    """What was agreed on for one m-line.

    Attributes:
        id: of the `Track`.
        codec: H264, H265 or OPUS.
        payload_type: unique among all tracks, as is `rtx_payload_type`: that is how packets find theirs.
        clock_rate: ticks per second of RTP timestamps: 90000, for sound 48000.
        rtx_payload_type: of retransmissions (RFC 4588), None where packets are sent again as they were.
        layers: if it comes in several at once (`layers.py`), all under the same payload types.
        parameter_sets: of pictures, where they were told before; without start codes.
    """

    id: int
    codec: Codec
    payload_type: int
    clock_rate: int
    rtx_payload_type: int | None
    layers: LayerIds | None = None
    parameter_sets: tuple[bytes, ...] = ()


class IncomingStream:
    """Receives one track.

    Args:
        agreed: payload types and codec.
        clock: puts timestamps on the axis of all tracks.
        keyframe_interval_s: the longest time between keyframes.

    Attributes:
        agreed: as given.
        reception: of the source that sends, None before its first packet.
        keyframes: when to ask for one; None for sound.
        lost: packets given up.
        recovered: packets that came because they were sent again, or late.
        damaged: access units given up, because packets were missing or made no sense.
        malformed: payloads that the codec does not allow.
        ignored: packets of a source that another took the place of, or that belong nowhere.
        is_over: the source said goodbye, and was not heard since.
    """

    def __init__(self, agreed: IncomingTrack, clock: TrackClock, keyframe_interval_s: float) -> None:
        self.agreed = agreed
        self.reception: Reception | None = None
        self.keyframes = KeyframeRequests(keyframe_interval_s) if agreed.codec.is_video else None
        self.damaged = 0
        self.malformed = 0
        self.ignored = 0
        self.is_over = False
        self._clock = clock
        self._assembler = _assembler(agreed, clock)
        self._give_up_s = _GIVE_UP_PICTURE_S if agreed.codec.is_video else _GIVE_UP_SOUND_S
        self._buffer = ReorderBuffer(self._give_up_s, 0)
        self._depacketizer = Depacketizer(agreed.codec)
        self._lost_before = 0
        self._recovered_before = 0
        self._stray: RtpPacket | None = None
        self._rtx_ssrc: int | None = None
        self._retired: deque[int] = deque(maxlen=8)
        self._retired_until = 0.0
        self._heard_at = 0.0
        self._first_arrival: float | None = None
        self._last_arrival = 0.0

    @property
    def track(self) -> Track:
        """As known so far."""
        return self._assembler.track

    @property
    def ssrc(self) -> int | None:
        """Of the source that sends, None before its first packet."""
        return None if self.reception is None else self.reception.ssrc

    @property
    def lost(self) -> int:
        """Packets given up."""
        return self._lost_before + self._buffer.lost

    @property
    def recovered(self) -> int:
        """Packets that came because they were sent again, or late."""
        return self._recovered_before + self._buffer.recovered

    def push(self, packet: RtpPacket, now: float) -> list[AccessUnit]:
        """Take a packet of the media's own payload type; return the units it completes."""
        reception = self.reception
        if reception is None or packet.ssrc != reception.ssrc:
            if packet.ssrc in self._retired and now - self._heard_at < _RETIRED_S:
                self.ignored += 1
                return []
            reception = self._begin(packet, now)
        seq = self._extend(packet.seq)
        if abs(seq - self._buffer.highest) > _MAX_JUMP:
            # One such packet may have gone astray, two in a row have not (RFC 3550 A.1).
            stray, self._stray = self._stray, packet
            if stray is None or packet.seq != (stray.seq + 1) & 0xFFFF:
                return []
            self._begin(stray, now)
            return self._receive(stray.seq, stray, now) + self._receive(stray.seq + 1, packet, now)
        return self._receive(seq, packet, now)

    def push_retransmission(self, packet: RtpPacket, now: float) -> list[AccessUnit]:
        """Take a packet of the payload type of retransmissions (RFC 4588 section 4).

        Without a payload it is a probe of how much the network carries.
        """
        if self.reception is None or (packet.ssrc in self._retired and now < self._retired_until):
            self.ignored += 1
            return []
        self._rtx_ssrc = packet.ssrc
        if len(packet.payload) < _OSN_BYTES:
            return []
        seq = self._extend(int.from_bytes(packet.payload[:_OSN_BYTES], "big"))
        if abs(seq - self._buffer.highest) > _MAX_JUMP:
            self.ignored += 1
            return []
        original = RtpPacket(
            self.agreed.payload_type,
            seq & 0xFFFF,
            packet.timestamp,
            self.reception.ssrc,
            packet.payload[_OSN_BYTES:],
            packet.marker,
        )
        return self._assemble(self._buffer.push(seq, original, now), now)

    def give_up(self, now: float) -> list[AccessUnit]:
        """Wait no longer for what has been missing too long; return the units that waited behind it."""
        return self._assemble(self._buffer.give_up(now), now)

    def end(self) -> list[AccessUnit]:
        """The source said goodbye: return what waits for packets that do not come any more."""
        self.is_over = True
        return self._assemble(self._buffer.give_up(math.inf), self._heard_at)

    def requests(self, now: float) -> list[int]:
        """Sequence numbers, 16 bits, to ask for now."""
        return [seq & 0xFFFF for seq in self._buffer.requests(now)]

    def sender_report(self, ntp: int, rtp_timestamp: int, now: float) -> None:
        """Take the report of this track's source."""
        if self.reception is not None:
            self.reception.sender_report(ntp, now)
            self._clock.report(ntp, rtp_timestamp, now)

    def deadline(self) -> float:
        """When one of `give_up`, `requests` and `keyframes` has something to do."""
        if self.reception is None or self.is_over:
            return math.inf
        at = self._buffer.deadline()
        return at if self.keyframes is None else min(at, self.keyframes.deadline())

    def _begin(self, packet: RtpPacket, now: float) -> Reception:
        """Start anew with the source, or the sequence, of a packet; only another source has another clock."""
        if self.reception is None or self.reception.ssrc != packet.ssrc:
            self._clock.begin(packet.timestamp, now)
        if self.reception is not None and self.reception.ssrc != packet.ssrc:
            self._retired.append(self.reception.ssrc)
            self._retired_until = now + _RETIRED_S
            if self._rtx_ssrc is not None:
                self._retired.append(self._rtx_ssrc)
                self._rtx_ssrc = None
        if packet.ssrc in self._retired:
            self._retired.remove(packet.ssrc)
        self._lost_before, self._recovered_before = self.lost, self.recovered
        self._buffer = ReorderBuffer(self._give_up_s, packet.seq)
        self._depacketizer = Depacketizer(self.agreed.codec)
        self._first_arrival = None
        self._stray = None
        self.is_over = False
        if self.keyframes is not None:
            self.keyframes.begin(now, with_keyframe=may_begin_keyframe(self.agreed.codec, packet.payload))
        self.reception = Reception(packet.ssrc, self.agreed.clock_rate, packet.seq)
        return self.reception

    def _extend(self, seq: int) -> int:
        """The sequence number with these low 16 bits that is nearest to the highest so far."""
        highest = self._buffer.highest
        return highest + ((seq - highest + _HALF) & 0xFFFF) - _HALF

    def _receive(self, seq: int, packet: RtpPacket, now: float) -> list[AccessUnit]:
        assert self.reception is not None
        self._heard_at = now
        if seq > self._buffer.highest:
            # Some say goodbye wherever they pause, and go on as the same source.
            self.is_over = False
        self.reception.packet(seq, packet.timestamp, now)
        return self._assemble(self._buffer.push(seq, packet, now), now)

    def _assemble(self, ordered: list[Ordered], now: float) -> list[AccessUnit]:
        units: list[AccessUnit] = []
        for packet, arrival, is_broken in ordered:
            if is_broken:
                self._lose(now)
            before = self._depacketizer.damaged
            try:
                assembled = self._depacketizer.push(packet)
            except WireError:
                self.malformed += 1
                assembled = None
                self._lose(now)
            if self._depacketizer.damaged != before:
                self.damaged += 1
                self._lose(now)
                self._first_arrival = None
            if packet.payload:
                if self._first_arrival is None:
                    self._first_arrival = self._last_arrival = arrival
                self._last_arrival = max(self._last_arrival, arrival)
            if assembled is not None:
                unit = self._finish(assembled, now)
                if unit is not None:
                    units.append(unit)
            if packet.marker:
                self._first_arrival = None
        return units

    def _finish(self, assembled: Assembled, now: float) -> AccessUnit | None:
        began_at = self._last_arrival if self._first_arrival is None else self._first_arrival
        pts = self._clock.place(assembled.timestamp, began_at)
        try:
            unit = self._assembler.unit(assembled.data, pts, self._last_arrival)
        except WireError:
            self.malformed += 1
            return None
        if unit is None or self.keyframes is None:
            return unit
        if unit.keyframe:
            self.keyframes.came(now)
        return None if self.keyframes.needed else unit

    def _lose(self, now: float) -> None:
        if self.keyframes is not None:
            self.keyframes.need(now)


class _Pictures:
    """Makes pictures of what the depacketizer puts together."""

    def __init__(self, agreed: IncomingTrack) -> None:
        self._normalizer = VideoNormalizer(agreed.id, agreed.codec, agreed.clock_rate)
        self._normalizer.learn(agreed.parameter_sets)
        self._clock = DecodingClock(agreed.clock_rate)

    @property
    def track(self) -> Track:
        return self._normalizer.track

    def unit(self, data: bytes, pts: int, received_at: float) -> AccessUnit | None:
        dts = self._clock.dts(pts, self._normalizer.picture.max_reorder)
        return self._normalizer.unit(data, pts, dts, received_at)


class _Sound:
    """Makes units of Opus packets."""

    def __init__(self, agreed: IncomingTrack) -> None:
        self.track = Track(
            agreed.id, agreed.codec, agreed.clock_rate, sample_rate=opus.CLOCK_RATE, channels=2
        )
        self._last_pts: int | None = None

    def unit(self, data: bytes, pts: int, received_at: float) -> AccessUnit:
        opus.packet_samples(data)  # raises for what no decoder would take
        self._last_pts = pts = pts if self._last_pts is None else max(pts, self._last_pts)
        return AccessUnit(self.track, pts, pts, data, keyframe=True, received_at=received_at)


def _assembler(agreed: IncomingTrack, clock: TrackClock) -> _Pictures | _Sound:
    return _Pictures(agreed) if agreed.codec.is_video else _Sound(agreed)
