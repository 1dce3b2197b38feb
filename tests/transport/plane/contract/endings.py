"""Viewers that leave or are left, feeds that end or move."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from itertools import pairwise

import pytest

from tests.fakes.media import gop, h264_unit
from tests.fakes.viewer import PATIENCE_S, video_subscription
from tests.transport.plane.bench import RTX_SSRC, VIDEO_SSRC, Bench, assert_contiguous, units_of, write_all
from tests.transport.plane.contract.base import Contract
from transport.plane import bind_sockets
from transport.plane.interface import ConsentLost, PlaneOptions
from transport.rtp import rtcp


class Endings(Contract):
    def test_silence_ends_a_viewer_once(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 1))
        peer, viewer = bench.join((feed, video_subscription()))
        viewer.wait(lambda: viewer.packets(VIDEO_SSRC))
        bench.clock.advance(25)
        viewer.connect()
        bench.clock.advance(25)
        viewer.connect()
        assert not [event for event in bench.poll() if isinstance(event, ConsentLost)]
        bench.clock.advance(30.5)
        assert bench.wait_for_event(ConsentLost) == [ConsentLost(peer)]
        sent = bench.counters(peer)["packets_sent"]
        write_all(feed, gop(90_000, 3))
        viewer.check()  # not answered any more
        other, witness = bench.join((feed, video_subscription()))
        witness.wait(lambda: witness.packets(VIDEO_SSRC))
        viewer.poll()
        assert bench.counters(peer)["packets_sent"] == sent
        witness.wait(lambda: bench.counters(other)["packets_sent"] > 0)
        assert len(bench.wait_for_event(ConsentLost)) == 1

    def test_a_viewer_who_never_comes_is_given_up(self, bench: Bench) -> None:
        peer, _ = bench.peer()
        bench.clock.advance(31)
        assert bench.wait_for_event(ConsentLost) == [ConsentLost(peer)]

    def test_a_goodbye_ends_a_viewer(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 1))
        peer, viewer = bench.join((feed, video_subscription()))
        viewer.wait(lambda: viewer.packets(VIDEO_SSRC))
        viewer.send_rtcp(rtcp.Bye((1,)))
        assert bench.wait_for_event(ConsentLost) == [ConsentLost(peer)]

    def test_closing_says_goodbye(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 1))
        peer, viewer = bench.join((feed, video_subscription()))
        viewer.wait(lambda: viewer.packets(VIDEO_SSRC))
        peer.close()
        peer.close()
        viewer.wait(lambda: rtcp.Bye((VIDEO_SSRC, RTX_SSRC)) in viewer.rtcp)
        assert len(bench.plane.snapshot()) == 0

    def test_a_closed_viewer_leaves_its_name_for_another(self, bench: Bench) -> None:
        peer, viewer = bench.peer()
        with pytest.raises(ValueError, match="in use"):
            bench.plane.peer(viewer.ufrag, "another")
        assert len(bench.plane.snapshot()) == 1
        peer.close(bye=False)
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                bench.plane.peer(viewer.ufrag, "another")
                break
            except ValueError:
                assert time.monotonic() < end

    def test_a_closed_feed_lets_its_viewers_stay(self, bench: Bench) -> None:
        old, new = bench.feed(), bench.feed()
        write_all(old, gop(0, 3))
        peer, viewer = bench.join((old, video_subscription()))
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 3)
        old.close()
        old.close()
        old.write(h264_unit(9000, keyframe=True))
        write_all(new, gop(90_000, 3))
        peer.subscribe(new, video_subscription())
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 6)
        assert_contiguous(viewer.seqs(VIDEO_SSRC))
        assert not [event for event in bench.poll() if isinstance(event, ConsentLost)]

    def test_a_subscription_moves_at_a_keyframe_and_goes_on(self, bench: Bench) -> None:
        epoch_s = time.time()
        old, new = bench.feed(epoch_s=epoch_s), bench.feed(epoch_s=epoch_s)
        write_all(old, gop(0, 3))
        peer, viewer = bench.join((old, video_subscription()))
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 3)
        write_all(new, gop(0, 3))
        bench.clock.advance(5)  # that keyframe is old now
        for _ in range(2):  # a turn of the plane that began before is over by the second answer
            viewer.connect()
        peer.subscribe(new, video_subscription())
        viewer.connect()
        old.write(h264_unit(9000, keyframe=False))
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 4)
        arriving = gop(12_000, 3)
        write_all(new, arriving)
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 7)
        old.write(h264_unit(12_000, keyframe=True))
        viewer.connect()
        packets = viewer.packets(VIDEO_SSRC)
        assert units_of(packets)[4:] == [unit.data for unit in arriving]
        assert_contiguous(viewer.seqs(VIDEO_SSRC))
        stamps = [p.timestamp for p in packets if p.marker]
        assert all(0 < (b - a) & 0xFFFFFFFF < 1 << 31 for a, b in pairwise(stamps))

    def test_a_move_can_be_silent(self, bench: Bench) -> None:
        epoch_s = time.time()
        old, new = bench.feed(epoch_s=epoch_s), bench.feed(epoch_s=epoch_s)
        write_all(old, gop(0, 3))
        peer, viewer = bench.join((old, video_subscription()))
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 3)
        peer.subscribe(new, video_subscription(), meanwhile=False)
        viewer.connect()
        old.write(h264_unit(9000, keyframe=False))
        old.write(h264_unit(12_000, keyframe=True))
        for _ in range(2):
            viewer.connect()
        assert sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 3
        arriving = gop(15_000, 3)
        write_all(new, arriving)
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 6)
        assert units_of(viewer.packets(VIDEO_SSRC))[3:] == [unit.data for unit in arriving]
        assert_contiguous(viewer.seqs(VIDEO_SSRC))
        # What was lost before is worth nothing any more.
        first, *_, last = viewer.seqs(VIDEO_SSRC)
        viewer.nack(VIDEO_SSRC, first)
        viewer.wait(lambda: bench.counters(peer)["rtx_refused"] == 1)
        viewer.nack(VIDEO_SSRC, last)
        viewer.wait(lambda: viewer.packets(RTX_SSRC))
        (repeated,) = viewer.packets(RTX_SSRC)
        assert int.from_bytes(repeated.payload[:2], "big") == last

    def test_a_subscription_that_moves_often_loses_nothing(self, bench: Bench) -> None:
        epoch_s = time.time()
        feeds = [bench.feed(epoch_s=epoch_s) for _ in range(3)]
        peer, viewer = bench.join((feeds[0], video_subscription()))
        for number in range(20):
            feed = feeds[number % 3]
            feed.write(h264_unit(number * 9000, keyframe=True))
            if number > 0:
                peer.subscribe(feed, video_subscription())
            viewer.wait(lambda number=number: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) > number)  # type: ignore[misc]
        assert_contiguous(viewer.seqs(VIDEO_SSRC))
        assert len(units_of(viewer.packets(VIDEO_SSRC))) == 20
        # What can still be had is what it was.
        viewer.nack(VIDEO_SSRC, *viewer.seqs(VIDEO_SSRC))
        count = len(viewer.seqs(VIDEO_SSRC))
        viewer.wait(lambda: bench.counters(peer)["nacks"] == count)
        viewer.connect()
        sent = {packet.seq: packet for packet in viewer.packets(VIDEO_SSRC)}
        assert viewer.packets(RTX_SSRC)
        for repeated in viewer.packets(RTX_SSRC):
            original = sent[int.from_bytes(repeated.payload[:2], "big")]
            assert (repeated.payload[2:], repeated.timestamp) == (original.payload, original.timestamp)

    def test_closing_ends_the_threads_and_the_sockets(self, bench: Bench) -> None:
        before = {thread.ident for thread in threading.enumerate()}
        with ExitStack() as stack:
            other = Bench(self.open_plane, PlaneOptions(), stack)
            peer, viewer = other.join(protocol="tcp")
            peer.send(b"\x16x")
            other.plane.close()
            other.plane.close()
            viewer.wait(lambda: viewer.is_ended)
            assert {thread.ident for thread in threading.enumerate()} <= before
            again_udp, again_tcp = bind_sockets(*other.address)
            for sock in (*again_udp, *again_tcp):
                sock.close()
            # Late callers do no harm.
            peer.close()
            other.feed().write(h264_unit(0, keyframe=True))
            assert list(other.plane.poll()) == []
