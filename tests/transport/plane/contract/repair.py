"""Losses: what is sent again, and what is not."""

from __future__ import annotations

import random
from contextlib import ExitStack

import pytest

from tests.fakes.media import gop, h264_unit
from tests.fakes.viewer import PLAYOUT_ID, video_subscription
from tests.transport.plane.bench import RTX_SSRC, VIDEO_SSRC, Bench, assert_contiguous, units_of, write_all
from tests.transport.plane.contract.base import Contract
from transport.plane.interface import PlaneOptions
from transport.rtp import rtcp
from transport.rtp.header import RtpPacket


class Repair(Contract):
    @pytest.mark.parametrize("has_rtx", [True, False])
    def test_losses_are_repaired(self, bench: Bench, has_rtx: bool) -> None:
        feed = bench.feed()
        pictures = gop(0, 30)
        write_all(feed, pictures)
        peer, viewer = bench.join((feed, video_subscription(rtx=has_rtx)))
        rng = random.Random(1)
        lost: dict[int, None] = {}

        def loses(packet: RtpPacket) -> bool:
            if packet.ssrc != VIDEO_SSRC or packet.seq in lost or rng.random() > 0.2 or packet.marker:
                return False
            lost[packet.seq] = None
            return True

        viewer.loses = loses
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 30)
        received = len(viewer.packets(VIDEO_SSRC))
        viewer.nack(VIDEO_SSRC, *lost)
        if has_rtx:
            viewer.wait(lambda: len(viewer.packets(RTX_SSRC)) == len(lost))
            assert_contiguous(viewer.seqs(RTX_SSRC))
            assert {p.payload_type for p in viewer.packets(RTX_SSRC)} == {103}
            assert {p.extension(4) for p in viewer.packets(RTX_SSRC)} == {b"0"}
            repaired = [
                RtpPacket(102, int.from_bytes(p.payload[:2], "big"), p.timestamp, 1, p.payload[2:], p.marker)
                for p in viewer.packets(RTX_SSRC)
            ]
        else:
            # The checker in the viewer compares these with the datagrams that it lost.
            viewer.wait(lambda: len(viewer.packets(VIDEO_SSRC)) == received + len(lost))
            repaired = viewer.packets(VIDEO_SSRC)[received:]
        first = viewer.packets(VIDEO_SSRC)[0].seq
        everything = sorted(
            [*viewer.packets(VIDEO_SSRC)[:received], *repaired], key=lambda p: (p.seq - first) & 0xFFFF
        )
        # The very first packet may be among the lost: then it sorts last.
        everything.sort(key=lambda p: (p.seq - min(lost.keys() | {first})) & 0xFFFF)
        assert units_of(everything) == [unit.data for unit in pictures]
        counters = bench.counters(peer)
        assert counters["nacks"] == counters["retransmitted"] == len(lost) > 5
        assert viewer.undecipherable == 0

    def test_a_line_that_loses_packets_is_given_more_time(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 2, size=500))
        peer, viewer = bench.join((feed, video_subscription()))
        told: list[bytes | None] = []
        # One report is an accident, the second one is not, and what is lost later must not change it again.
        for number, fraction_lost in enumerate((0.0, 0.25, 0.25, 0.0, 0.0)):
            viewer.wait(lambda count=2 + number: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == count)  # type: ignore[misc]
            told.append(viewer.packets(VIDEO_SSRC)[-1].extension(PLAYOUT_ID))
            bench.clock.advance(10.0 if number > 2 else 0.1)
            jitter = 90 * (number + 1)
            viewer.send_rtcp(
                rtcp.ReceiverReport(
                    1, (rtcp.ReportBlock(VIDEO_SSRC, fraction_lost, number, 1, jitter, 0, 0),)
                )
            )
            viewer.wait(lambda ms=number + 1: bench.counters(peer)["video_jitter_ms"] == ms)  # type: ignore[misc]
            feed.write(h264_unit(3000 * (2 + number), keyframe=False, size=500))
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 7)
        told.append(viewer.packets(VIDEO_SSRC)[-1].extension(PLAYOUT_ID))
        usual, longer = b"\x00\x00\x64", b"\x00\xf0\x64"  # 150 ms: the round trip is not known
        assert told == [usual, usual, usual, longer, longer, usual]
        assert_contiguous(viewer.seqs(VIDEO_SSRC))
        sent = {packet.seq: packet for packet in viewer.packets(VIDEO_SSRC)}
        viewer.nack(VIDEO_SSRC, *sent)
        viewer.wait(lambda: len(viewer.packets(RTX_SSRC)) == len(sent))
        for packet in viewer.packets(RTX_SSRC):
            assert packet.extensions == sent[int.from_bytes(packet.payload[:2], "big")].extensions

    def test_what_is_too_old_or_was_never_sent_is_not_repeated(self, stack: ExitStack) -> None:
        bench = Bench(self.open_plane, PlaneOptions(history_s=1.0), stack)
        feed = bench.feed()
        peer, viewer = bench.join((feed, video_subscription()))
        write_all(feed, gop(0, 3))
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 3)
        old = viewer.seqs(VIDEO_SSRC)[0]
        for count in (1, 2):  # a GOP goes when the keyframe after it is old enough
            bench.clock.advance(2.0)
            write_all(feed, gop(count * 90_000, 3))
            viewer.wait(
                lambda count=count: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 3 + 3 * count
            )  # type: ignore[misc]
        last = viewer.seqs(VIDEO_SSRC)[-1]
        viewer.nack(VIDEO_SSRC, (old - 1) & 0xFFFF, old, (last + 1) & 0xFFFF, last)
        viewer.wait(lambda: viewer.packets(RTX_SSRC))
        counters = bench.counters(peer)
        assert (counters["nacks"], counters["rtx_refused"], counters["retransmitted"]) == (4, 3, 1)

    def test_there_is_a_limit_to_what_may_be_asked_for(self, bench: Bench) -> None:
        feed = bench.feed()
        peer, viewer = bench.join((feed, video_subscription()))
        write_all(feed, [h264_unit(0, keyframe=True, size=500)])
        viewer.wait(lambda: viewer.packets(VIDEO_SSRC))
        (sent, *_) = viewer.seqs(VIDEO_SSRC)
        never_sent = tuple((sent + 100 + number) & 0xFFFF for number in range(5000))
        viewer.send_rtcp(rtcp.Nack(1, VIDEO_SSRC, never_sent), rtcp.Nack(1, VIDEO_SSRC, (sent,)))
        viewer.wait(lambda: bench.counters(peer)["nacks"] == 5001)
        assert bench.counters(peer)["rtx_refused"] == 5001
        bench.clock.advance(1.0)
        viewer.nack(VIDEO_SSRC, sent)
        viewer.wait(lambda: viewer.packets(RTX_SSRC))
        assert bench.counters(peer)["retransmitted"] == 1

    def test_there_is_a_cap_on_what_is_repeated(self, stack: ExitStack) -> None:
        bench = Bench(self.open_plane, PlaneOptions(max_rtx_fraction=0.0), stack)
        feed = bench.feed()
        peer, viewer = bench.join((feed, video_subscription()))
        write_all(feed, [h264_unit(0, keyframe=True, size=100_000)])
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 1)
        seqs = viewer.seqs(VIDEO_SSRC)
        viewer.nack(VIDEO_SSRC, *seqs)
        viewer.wait(lambda: bench.counters(peer)["nacks"] == len(seqs))
        viewer.connect()
        counters = bench.counters(peer)
        assert counters["retransmitted"] + counters["rtx_refused"] == len(seqs)
        # 200 kb/s are always allowed.
        assert 15 <= counters["retransmitted"] <= 25
        assert len(viewer.packets(RTX_SSRC)) == counters["retransmitted"]
