"""RTCP and encryption of one viewer, on clocks that the test holds."""

import math
from dataclasses import replace
from itertools import pairwise

import pylibsrtp
import pytest

from tests.fakes.media import audio_units, h264_unit
from tests.fakes.viewer import PROFILES, audio_subscription, video_subscription
from transport.errors import WireError
from transport.media import Codec
from transport.plane.interface import PlaneOptions, SrtpProfile, Subscription
from transport.plane.source import Source
from transport.plane.viewer import Reaction, Viewer
from transport.rtp import header, rtcp

EPOCH_S = 1_700_000_000.0
OPTIONS = PlaneOptions()
PROFILE = SrtpProfile.AEAD_AES_256_GCM
TX, RX = bytes(range(44)), bytes(range(44, 88))
VIDEO_SSRC, RTX_SSRC, AUDIO_SSRC = 0x1000, 0x1001, 0x2000


def session(key: bytes, ssrc_type: int) -> pylibsrtp.Session:
    policy = pylibsrtp.Policy(key=key, ssrc_type=ssrc_type, srtp_profile=PROFILES[PROFILE])
    policy.window_size = 16384
    policy.allow_repeat_tx = True
    return pylibsrtp.Session(policy)


class Bench:
    """A viewer with picture and sound, and the browser's half of SRTP."""

    def __init__(self, video: Subscription | None = None) -> None:
        self.now = 50.0
        self.video = Source(Codec.H264, 90_000, EPOCH_S, 1 << 30, OPTIONS)
        self.audio = Source(Codec.OPUS, 48_000, EPOCH_S, 5, OPTIONS)
        self.viewer = Viewer(1, OPTIONS, self.now)
        self.viewer.set_keys(PROFILE, TX, RX)
        self.rx = session(TX, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self.tx = session(RX, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self.viewer.subscribe(video or video_subscription(), self.video, self.now)
        self.viewer.subscribe(audio_subscription(), self.audio, self.now)
        self.units = 0
        self.pull()

    @property
    def wall_s(self) -> float:
        return EPOCH_S + self.now

    def pull(self) -> list[bytes]:
        return [
            datagram
            for outgoing in self.viewer.outgoing
            for datagram in self.viewer.pull(outgoing, self.now, room_bytes=math.inf)
        ]

    def write(self, count: int = 1) -> list[bytes]:
        datagrams = []
        for _ in range(count):
            self.video.write(h264_unit(self.units * 3000, keyframe=self.units % 30 == 0), self.now)
            self.audio.write(audio_units(self.units * 960, 1)[0], self.now)
            self.units += 1
            datagrams += self.pull()
        return datagrams

    def reports(self) -> list[rtcp.RtcpPacket]:
        return self.decrypt(self.viewer.reports(self.now, self.wall_s))

    def decrypt(self, datagrams: list[bytes]) -> list[rtcp.RtcpPacket]:
        return [p for datagram in datagrams for p in rtcp.parse_compound(self.rx.unprotect_rtcp(datagram))]

    def say(self, *packets: rtcp.RtcpPacket) -> Reaction:
        wire = self.tx.protect_rtcp(rtcp.serialize_compound([rtcp.ReceiverReport(1), *packets]))
        return self.viewer.receive_rtcp(wire, self.now, self.wall_s)


def sender_reports(packets: list[rtcp.RtcpPacket]) -> dict[int, rtcp.SenderReport]:
    return {packet.ssrc: packet for packet in packets if isinstance(packet, rtcp.SenderReport)}


def test_reports_start_with_the_first_packet_and_come_once_a_second() -> None:
    bench = Bench()
    assert bench.reports() == []
    bench.write()
    assert set(sender_reports(bench.reports())) == {VIDEO_SSRC, AUDIO_SSRC}
    bench.now += 0.9
    assert bench.reports() == []
    bench.now += 0.1
    bench.write()
    reports = bench.reports()
    assert set(sender_reports(reports)) == {VIDEO_SSRC, AUDIO_SSRC}
    assert rtcp.SourceDescription(((VIDEO_SSRC, "cam"),)) in reports


def test_reports_put_picture_and_sound_on_one_clock() -> None:
    bench = Bench()
    bench.write(40)
    reports = sender_reports(bench.reports())
    video, audio = reports[VIDEO_SSRC], reports[AUDIO_SSRC]
    video_pts = (video.rtp_timestamp - (bench.video.timestamp_at(EPOCH_S) & 0xFFFFFFFF)) & 0xFFFFFFFF
    audio_pts = (audio.rtp_timestamp - (bench.audio.timestamp_at(EPOCH_S) & 0xFFFFFFFF)) & 0xFFFFFFFF
    assert video_pts == round(bench.now * 90_000) and audio_pts == round(bench.now * 48_000)
    assert video.ntp == audio.ntp == rtcp.ntp_time(bench.wall_s)


def test_reports_count_packets_and_payload_octets() -> None:
    bench = Bench()
    datagrams = [header.parse(bench.rx.unprotect(datagram)) for datagram in bench.write(5)]
    report = sender_reports(bench.reports())[VIDEO_SSRC]
    video = [packet for packet in datagrams if packet.ssrc == VIDEO_SSRC]
    assert report.packets == len(video)
    assert report.octets == sum(len(packet.payload) for packet in video)


def test_a_receivers_clock_is_answered_at_once() -> None:
    bench = Bench()
    bench.write()
    bench.reports()
    bench.now += 0.3
    bench.say(rtcp.ReceiverReferenceTime(1, 0xAABBCCDD_11223344))
    bench.now += 0.05
    (answer,) = [packet for packet in bench.reports() if isinstance(packet, rtcp.Dlrr)]
    ((receiver, middle, delay),) = answer.reports
    assert (receiver, middle) == (1, 0xCCDD1122)
    assert delay == pytest.approx(0.05 * 65536, abs=1)
    bench.now += 0.3
    assert bench.reports() == []  # answered once


def block(ssrc: int, **values: int | float) -> rtcp.ReportBlock:
    given: dict[str, int | float] = {
        "fraction_lost": 0.0,
        "cumulative_lost": 0,
        "highest_seq": 0,
        "jitter": 0,
        "lsr": 0,
        "dlsr": 0,
    }
    return rtcp.ReportBlock(ssrc=ssrc, **(given | values))  # type: ignore[arg-type]


def test_receiver_reports_become_counters() -> None:
    bench = Bench()
    bench.write()
    report = sender_reports(bench.reports())[VIDEO_SSRC]
    bench.now += 0.250
    bench.say(
        rtcp.ReceiverReport(
            1,
            (
                block(
                    VIDEO_SSRC,
                    fraction_lost=0.5,
                    cumulative_lost=12,
                    jitter=900,
                    lsr=rtcp.middle_bits(report.ntp),
                    dlsr=int(0.2 * 65536),
                ),
                block(AUDIO_SSRC, fraction_lost=0.25, cumulative_lost=-1, jitter=96),
                block(77, cumulative_lost=99),
            ),
        ),
        rtcp.Remb(1, 2_000_000),
    )
    counters = bench.viewer.counters
    assert (counters.video_lost, counters.video_fraction_lost, counters.video_jitter_ms) == (12, 0.5, 10.0)
    assert (counters.audio_lost, counters.audio_fraction_lost, counters.audio_jitter_ms) == (-1, 0.25, 2.0)
    assert counters.rtt_ms == pytest.approx(50, abs=1)
    assert counters.remb_bps == 2_000_000
    assert counters.last_heard_s == bench.now


def test_a_round_trip_that_cannot_be_is_left_out() -> None:
    bench = Bench()
    bench.write()
    lsr = rtcp.middle_bits(rtcp.ntp_time(bench.wall_s + 3))
    bench.say(rtcp.ReceiverReport(1, (block(VIDEO_SSRC, lsr=lsr, dlsr=65536),)))
    assert bench.viewer.counters.rtt_ms == 0.0


def test_a_picture_that_cannot_be_decoded_is_asked_for_and_counted() -> None:
    bench = Bench()
    assert bench.say(rtcp.PictureLoss(1, VIDEO_SSRC)).keyframes == [bench.video]
    assert bench.say(rtcp.FullIntraRequest(1, ((VIDEO_SSRC, 3),))).keyframes == [bench.video]
    assert bench.say(rtcp.PictureLoss(1, 99)).keyframes == []
    assert bench.viewer.counters.plis == 2


def test_losses_are_repaired_on_the_second_stream() -> None:
    bench = Bench()
    sent = [header.parse(bench.rx.unprotect(datagram)) for datagram in bench.write(20)]
    video = [packet for packet in sent if packet.ssrc == VIDEO_SSRC]
    wanted = video[3:25]
    reaction = bench.say(rtcp.Nack(1, VIDEO_SSRC, tuple(packet.seq for packet in wanted)))
    repaired = [header.parse(bench.rx.unprotect(datagram)) for datagram in reaction.datagrams]
    assert {packet.ssrc for packet in repaired} == {RTX_SSRC}
    assert [int.from_bytes(packet.payload[:2], "big") for packet in repaired] == [p.seq for p in wanted]
    assert [packet.payload[2:] for packet in repaired] == [packet.payload for packet in wanted]
    assert [packet.timestamp for packet in repaired] == [packet.timestamp for packet in wanted]
    counters = bench.viewer.counters
    assert (counters.nacks, counters.retransmitted, counters.rtx_refused) == (22, 22, 0)


def test_without_a_second_stream_the_same_datagram_comes_again() -> None:
    bench = Bench(video_subscription(rtx=False))
    sent = [d for d in bench.write(20) if header.parse(d).ssrc == VIDEO_SSRC]
    seqs = tuple(header.parse(datagram).seq for datagram in sent)
    assert bench.say(rtcp.Nack(1, VIDEO_SSRC, seqs[:20])).datagrams == sent[:20]


def test_numbers_that_never_were_or_are_gone_are_refused() -> None:
    bench = Bench()
    seqs = [header.parse(d).seq for d in bench.write(2) if header.parse(d).ssrc == VIDEO_SSRC]
    asked = (seqs[-1] + 1 & 0xFFFF, seqs[0] - 1 & 0xFFFF)
    assert bench.say(rtcp.Nack(1, VIDEO_SSRC, asked)).datagrams == []
    assert bench.say(rtcp.Nack(1, 99, tuple(seqs))).datagrams == []
    assert (bench.viewer.counters.nacks, bench.viewer.counters.rtx_refused) == (2, 2)


def test_a_viewer_who_asks_for_everything_again_and_again_is_capped() -> None:
    bench = Bench()
    sent = [header.parse(d) for d in bench.write(300)]
    seqs = tuple(packet.seq for packet in sent if packet.ssrc == VIDEO_SSRC)[-600:]
    repeated = 0
    for _ in range(20):
        bench.now += 0.05
        repeated += sum(map(len, bench.say(rtcp.Nack(1, VIDEO_SSRC, seqs)).datagrams))
    total = sum(len(packet.payload) for packet in sent)
    assert repeated < 1.2 * total
    assert bench.viewer.counters.rtx_refused > 0


def test_rollover_of_the_sequence_number() -> None:
    bench = Bench(video_subscription(rtx=False))
    thousand_packets = b"\0\0\0\1\x65" + b"\xaa" * 1_158_000
    sent: list[tuple[int, bytes]] = []
    while not any(seq == 20 for seq, _ in sent[1000:]):  # first numbers are below 2**15
        bench.now += 1
        unit = replace(h264_unit(int(bench.now * 90_000), keyframe=True, size=1), data=thousand_packets)
        bench.video.write(unit, bench.now)
        while datagrams := bench.pull():
            sent += [(header.parse(bench.rx.unprotect(d)).seq, d) for d in datagrams]
            bench.now += 0.020
        assert len(sent) <= 70_000
    assert all((a + 1) & 0xFFFF == b for (a, _), (b, _) in pairwise(sent))
    # Numbers from below the rollover mean the packets before it: the same bytes come again.
    place = max(place for place, (seq, _) in enumerate(sent) if seq == 0)
    asked = sent[place - 10 : place + 10]
    assert bench.say(rtcp.Nack(1, VIDEO_SSRC, tuple(seq for seq, _ in asked))).datagrams == [
        datagram for _, datagram in asked
    ]
    for datagram in bench.write():
        bench.rx.unprotect(datagram)


def test_the_same_keys_once_more_do_not_restart_the_rollover_counter() -> None:
    bench = Bench()
    first = bench.write(3)
    bench.viewer.set_keys(PROFILE, TX, RX)
    for datagram in first + bench.write(3):
        bench.rx.unprotect(datagram)  # one context deciphers everything


def test_new_keys_take_over() -> None:
    bench = Bench()
    bench.write(3)
    bench.viewer.set_keys(PROFILE, RX, TX)
    rx = session(RX, pylibsrtp.Policy.SSRC_ANY_INBOUND)
    packets = [header.parse(rx.unprotect(datagram)) for datagram in bench.write(3)]
    assert {packet.ssrc for packet in packets} == {VIDEO_SSRC, AUDIO_SSRC}


def test_a_goodbye_names_every_stream() -> None:
    bench = Bench()
    assert bench.viewer.bye(bench.now, bench.wall_s) == []
    bench.write()
    packets = bench.decrypt(bench.viewer.bye(bench.now, bench.wall_s))
    assert packets[-1] == rtcp.Bye((VIDEO_SSRC, RTX_SSRC, AUDIO_SSRC))
    assert bench.say(rtcp.Bye((1,))).has_left


def test_rtcp_that_is_not_authentic_is_refused() -> None:
    bench = Bench()
    wire = session(TX, pylibsrtp.Policy.SSRC_ANY_OUTBOUND).protect_rtcp(
        rtcp.serialize_compound([rtcp.ReceiverReport(1)])
    )
    with pytest.raises(WireError):
        bench.viewer.receive_rtcp(wire, bench.now, bench.wall_s)
    with pytest.raises(WireError):
        bench.viewer.receive_rtcp(bytes(2000), bench.now, bench.wall_s)
