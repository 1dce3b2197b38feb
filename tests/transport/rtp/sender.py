"""What a browser does that publishes: packets of one track, sent again when asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from av.video.frame import VideoFrame

from tests.transport.media.sources import picture_units, sound_units, tone
from transport.media import AccessUnit, Codec
from transport.rtp import header, rtcp
from transport.rtp.header import RtpPacket
from transport.rtp.packetize import packetize
from transport.rtp.padding import PaddedPayload
from transport.rtp.receive import IncomingTrack, RtpReceiver

VIDEO = IncomingTrack(1, Codec.H264, 96, 90_000, 97)
AUDIO = IncomingTrack(2, Codec.OPUS, 111, 48_000, None)
OWN_SSRC = 0xABCD
#: 25 pictures a second.
FRAME = 3_600


class Sender:
    """Numbers the packets of one track and keeps them."""

    def __init__(self, track: IncomingTrack = VIDEO, *, ssrc: int = 0x1111, seq: int = 1000) -> None:
        self.track = track
        self.ssrc = ssrc
        self.rtx_ssrc = ssrc + 1
        self.next_seq = seq
        self.rtx_seq = 500
        self.sent: dict[int, bytes] = {}

    def packets(self, unit: AccessUnit, timestamp: int | None = None) -> list[bytes]:
        """The packets of a unit; its pts is the timestamp unless another is given."""
        payloads = packetize(unit, 1160)
        at = unit.pts if timestamp is None else timestamp
        return [
            self.packet(payload, at, marker=number == len(payloads) - 1)
            for number, payload in enumerate(payloads)
        ]

    def packet(self, payload: bytes, timestamp: int, *, marker: bool = False) -> bytes:
        padded = isinstance(payload, PaddedPayload)
        head = header.serialize_header(
            self.track.payload_type, marker, self.next_seq, timestamp, self.ssrc, padded=padded
        )
        self.sent[self.next_seq & 0xFFFF] = head + payload
        self.next_seq += 1
        return head + payload

    def padding(self, timestamp: int) -> bytes:
        """A probe on the media's own source: nothing but padding."""
        return self.packet(PaddedPayload(bytes(99) + b"\x64"), timestamp)

    def again(self, seq: int) -> bytes:
        """A packet as RTX (RFC 4588), or as it was where that was not agreed on."""
        packet = self.sent[seq]
        if self.track.rtx_payload_type is None:
            return packet
        parsed = header.parse(packet)
        return self._rtx(replace(parsed, payload=seq.to_bytes(2, "big") + parsed.payload))

    def probe(self, timestamp: int) -> bytes:
        """RTX without a payload."""
        return self._rtx(RtpPacket(0, 0, timestamp, 0, b""))

    def report(self, ntp_s: float, timestamp: int) -> bytes:
        return rtcp.serialize_compound(
            [rtcp.SenderReport(self.ssrc, rtcp.ntp_time(ntp_s), timestamp & 0xFFFFFFFF, 0, 0)]
        )

    def _rtx(self, packet: RtpPacket) -> bytes:
        assert self.track.rtx_payload_type is not None
        self.rtx_seq += 1
        return header.serialize(
            replace(packet, payload_type=self.track.rtx_payload_type, seq=self.rtx_seq, ssrc=self.rtx_ssrc)
        )


def grain(index: int, width: int, height: int) -> VideoFrame:
    """Pictures that have nothing in common, so that each is many packets long."""
    rgb = np.random.default_rng(index).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return VideoFrame.from_ndarray(rgb, format="rgb24")


def pictures(count: int, *, gop: int = 25, size: int = 64) -> list[AccessUnit]:
    """Pictures of several packets each; a keyframe now and then."""
    options = {"tune": "zerolatency", "g": str(gop), "keyint_min": str(gop), "sc_threshold": "0"}
    units = picture_units(Codec.H264, count, width=size * 2, height=size, options=options, draw=grain)
    return [replace(unit, pts=n * FRAME, dts=n * FRAME) for n, unit in enumerate(units)]


def sounds(count: int) -> list[AccessUnit]:
    """A tone in packets of 20 ms."""
    units = sound_units(Codec.OPUS, tone(count / 50, 48_000), 48_000, clock_rate=48_000)[:count]
    return [replace(unit, pts=n * 960, dts=n * 960) for n, unit in enumerate(units)]


def feed(receiving: RtpReceiver, packets: list[bytes], now: float = 0.0) -> list[AccessUnit]:
    for packet in packets:
        receiving.receive(packet, now)
    return receiving.units(now)


def data_of(units: list[AccessUnit]) -> list[bytes]:
    return [unit.data for unit in units]


def receiver(*tracks: IncomingTrack, max_bitrate_bps: int = 2_500_000, now: float = 0.0) -> RtpReceiver:
    return RtpReceiver(tracks or (VIDEO, AUDIO), ssrc=OWN_SSRC, max_bitrate_bps=max_bitrate_bps, now=now)


def feedback(receiving: RtpReceiver, now: float) -> list[rtcp.RtcpPacket]:
    return [packet for compound in receiving.feedback(now) for packet in rtcp.parse_compound(compound)]


def nacked(packets: list[rtcp.RtcpPacket]) -> list[int]:
    return [seq for packet in packets if isinstance(packet, rtcp.Nack) for seq in packet.seqs]


def plis(packets: list[rtcp.RtcpPacket]) -> int:
    return sum(isinstance(packet, rtcp.PictureLoss) for packet in packets)


def run(
    receiving: RtpReceiver,
    arrivals: list[tuple[float, bytes]],
    until: float,
    *,
    answer: Callable[[rtcp.RtcpPacket, float], list[tuple[float, bytes]]] = lambda packet, now: [],
) -> tuple[list[AccessUnit], list[tuple[float, rtcp.RtcpPacket]]]:
    """Let packets arrive at their times, and call the receiver when it wants to be called.

    Args:
        receiving: gets the packets.
        arrivals: (time, packet).
        until: when to stop.
        answer: what the sender does with a packet of feedback: (time of arrival, packet).

    Returns:
        Units, and (time, packet) of all feedback.
    """
    units: list[AccessUnit] = []
    said: list[tuple[float, rtcp.RtcpPacket]] = []
    waiting = sorted(arrivals, key=lambda arrival: arrival[0])
    now = 0.0
    while True:
        due = receiving.deadline(now)
        now = min(due, waiting[0][0]) if waiting else due
        if now > until:
            return units, said
        while waiting and waiting[0][0] <= now:
            receiving.receive(waiting.pop(0)[1], now)
        units += receiving.units(now)
        for packet in feedback(receiving, now):
            said.append((now, packet))
            waiting += answer(packet, now)
        waiting.sort(key=lambda arrival: arrival[0])
        assert receiving.deadline(now) > now or receiving.feedback(now)
