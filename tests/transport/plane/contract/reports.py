"""RTCP both ways."""

from __future__ import annotations

import time

import pytest

from tests.fakes.media import audio_units, gop, h264_unit
from tests.fakes.viewer import PATIENCE_S, audio_subscription, video_subscription
from tests.transport.plane.bench import AUDIO_SSRC, VIDEO_SSRC, Bench, write_all
from tests.transport.plane.contract.base import Contract
from transport.media import Codec
from transport.plane.interface import KeyframeWanted, SrtpProfile
from transport.rtp import rtcp


class Reports(Contract):
    def test_sender_reports_put_picture_and_sound_on_one_clock(self, bench: Bench) -> None:
        epoch_s = time.time() - 100.0
        video, audio = bench.feed(epoch_s=epoch_s), bench.feed(Codec.OPUS, epoch_s)
        peer, viewer = bench.join((video, video_subscription()), (audio, audio_subscription()))
        viewer.connect()
        video.write(h264_unit(100 * 90_000, keyframe=True))
        audio.write(audio_units(100 * 48_000, 1)[0])
        viewer.wait(lambda: viewer.reports(VIDEO_SSRC) and viewer.reports(AUDIO_SSRC))
        pictures = sum(len(packet.payload) for packet in viewer.packets(VIDEO_SSRC))
        assert bench.counters(peer)["video_bytes"] == pictures
        shown = []
        for ssrc, clock_rate in ((VIDEO_SSRC, 90_000), (AUDIO_SSRC, 48_000)):
            report, packet = viewer.reports(ssrc)[0], viewer.packets(ssrc)[0]
            behind = (report.rtp_timestamp - packet.timestamp + (1 << 31)) % (1 << 32) - (1 << 31)
            shown.append(report.ntp / 2**32 - 2_208_988_800 - behind / clock_rate)
        assert shown == pytest.approx([epoch_s + 100] * 2, abs=0.001)

    def test_reports_come_every_second(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 1))
        _, viewer = bench.join((feed, video_subscription()))
        for count in range(1, 4):
            viewer.wait(lambda count=count: len(viewer.reports(VIDEO_SSRC)) == count)  # type: ignore[misc]
            bench.clock.advance(1.0)

    def test_reports_of_one_viewer_come_in_one_datagram(self, bench: Bench) -> None:
        video, audio = bench.feed(), bench.feed(Codec.OPUS)
        write_all(video, gop(0, 1))
        _, viewer = bench.join((video, video_subscription()), (audio, audio_subscription()))
        viewer.connect()
        write_all(audio, audio_units(0, 1))
        viewer.wait(lambda: viewer.reports(AUDIO_SSRC))
        before = len(viewer.compounds)
        bench.clock.advance(1.0)
        viewer.wait(lambda: len(viewer.compounds) > before)
        told = [packet.ssrc for packet in viewer.compounds[-1] if isinstance(packet, rtcp.SenderReport)]
        assert sorted(told) == [VIDEO_SSRC, AUDIO_SSRC] and len(viewer.compounds) == before + 1
        assert all(len(viewer.reports(ssrc)) == before + 1 - (ssrc == AUDIO_SSRC) for ssrc in told)

    def test_how_long_a_unit_took_is_counted_once_for_the_viewers_of_a_thread(self, bench: Bench) -> None:
        feed, nobodys = bench.feed(), bench.feed()
        _, viewer = bench.join((feed, video_subscription()))
        viewer.connect()  # answered after the subscription took effect
        assert bench.plane.send_delays().sum() == 0
        for number in range(5):
            write_all(nobodys, gop(number, 1))
            write_all(feed, gop(number, 1))
            viewer.wait(lambda number=number: bench.plane.send_delays().sum() == number + 1)  # type: ignore[misc]

    def test_what_a_viewer_reports_is_in_the_snapshot(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 1))
        peer, viewer = bench.join((feed, video_subscription()))
        viewer.wait(lambda: viewer.reports(VIDEO_SSRC))
        lsr = rtcp.middle_bits(viewer.reports(VIDEO_SSRC)[0].ntp)
        report = rtcp.ReportBlock(VIDEO_SSRC, 0.25, 7, 1, 450, lsr, 0)
        viewer.send_rtcp(rtcp.ReceiverReport(1, (report,)), rtcp.Remb(1, 1_000_000))
        viewer.send_rtcp(rtcp.ReceiverReferenceTime(1, 0x1111222233334444))
        viewer.wait(lambda: any(isinstance(packet, rtcp.Dlrr) for packet in viewer.rtcp))
        counters = bench.counters(peer)
        assert counters["video_lost"] == 7
        assert counters["video_fraction_lost"] == 0.25
        assert counters["video_jitter_ms"] == 5.0
        assert 0 < counters["rtt_ms"] < 60_000
        assert counters["remb_bps"] == 1_000_000
        assert counters["packets_sent"] == len(viewer.packets(VIDEO_SSRC))
        assert counters["bytes_sent"] > counters["video_bytes"]
        assert counters["video_bytes"] == sum(len(packet.payload) for packet in viewer.packets(VIDEO_SSRC))
        assert counters["last_heard_s"] == pytest.approx(bench.clock(), abs=PATIENCE_S)

    def test_reports_about_sound_are_kept_apart(self, bench: Bench) -> None:
        video, audio = bench.feed(), bench.feed(Codec.OPUS)
        peer, viewer = bench.join((video, video_subscription()), (audio, audio_subscription()))
        blocks = (
            rtcp.ReportBlock(AUDIO_SSRC, 0.5, -3, 1, 480, 0, 0),
            rtcp.ReportBlock(VIDEO_SSRC, 0.25, 9, 1, 90, 0, 0),
        )
        viewer.send_rtcp(rtcp.ReceiverReport(1, blocks))
        viewer.wait(lambda: bench.counters(peer)["audio_lost"] == -3)
        viewer.connect()
        counters = bench.counters(peer)
        assert (counters["audio_fraction_lost"], counters["audio_jitter_ms"]) == (0.5, 10.0)
        assert (counters["video_fraction_lost"], counters["video_jitter_ms"]) == (0.25, 1.0)
        assert (counters["video_lost"], counters["rtt_ms"]) == (9, 0.0)

    @pytest.mark.parametrize("profile", list(SrtpProfile))
    def test_a_report_counts_once_whatever_the_order(self, bench: Bench, profile: SrtpProfile) -> None:
        peer, viewer = bench.join((bench.feed(), video_subscription()), profile=profile)
        viewer.connect()
        report = rtcp.serialize_compound([rtcp.ReceiverReport(1), rtcp.PictureLoss(1, VIDEO_SSRC)])
        datagrams = [viewer._tx.protect_rtcp(report) for _ in range(200)]
        order = [199, 198, 199, 198, 150, 136, 60, 0, 199, 150]  # 64 to 128 of them are remembered
        for number in order:
            viewer.send(datagrams[number])
        viewer.connect()
        assert bench.counters(peer)["plis"] == len({199, 198, 150, 136})

    def test_keyframes_are_wanted_once_a_second_and_feed(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 1))
        peer, viewer = bench.join((feed, video_subscription()))
        viewer.wait(lambda: viewer.packets(VIDEO_SSRC))
        for _ in range(5):
            viewer.send_rtcp(rtcp.PictureLoss(1, VIDEO_SSRC))
        viewer.send_rtcp(rtcp.FullIntraRequest(1, ((VIDEO_SSRC, 1),)))
        viewer.wait(lambda: bench.counters(peer)["plis"] == 6)
        assert bench.wait_for_event(KeyframeWanted) == [KeyframeWanted(feed)]
        bench.clock.advance(1.0)
        viewer.send_rtcp(rtcp.PictureLoss(1, VIDEO_SSRC))
        assert len(bench.wait_for_event(KeyframeWanted, 2)) == 2
