"""Sequence numbers that run out, many threads, many viewers."""

from __future__ import annotations

import asyncio
import os
import select
import threading
import time
from contextlib import ExitStack

from tests.fakes.media import VIDEO, gop, h264_unit
from tests.fakes.viewer import PATIENCE_S, video_subscription
from tests.transport.plane.bench import VIDEO_SSRC, Bench, assert_contiguous, write_all
from tests.transport.plane.contract.base import Contract
from transport.media import AccessUnit
from transport.plane.interface import AddressLearned, PlaneOptions
from transport.rtp import rtcp


class Endurance(Contract):
    def test_more_than_a_whole_round_of_sequence_numbers(self, stack: ExitStack) -> None:
        bench = Bench(self.open_plane, PlaneOptions(max_payload_bytes=64, history_s=0.1), stack)
        feed = bench.feed()
        _, viewer = bench.join((feed, video_subscription(rtx=False)), protocol="tcp")
        viewer.connect()
        data = b"\0\0\0\1\x65" + b"\xaa" * (62 * 2000)
        for number in range(34):
            feed.write(AccessUnit(VIDEO, number * 3000, number * 3000, data, True, 0.0))
            viewer.wait(lambda number=number: len(viewer.packets(VIDEO_SSRC)) == 2000 * (number + 1))  # type: ignore[misc]
        assert_contiguous(viewer.seqs(VIDEO_SSRC))
        assert viewer.undecipherable == 0
        viewer.nack(VIDEO_SSRC, *viewer.seqs(VIDEO_SSRC)[-20:])
        viewer.wait(lambda: bench.counters_of_all("retransmitted") == 20)

    async def test_a_stalled_event_loop_stalls_no_viewer(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 1))
        peer, viewer = bench.join((feed, video_subscription()))
        viewer.wait(lambda: viewer.packets(VIDEO_SSRC))
        ended = threading.Event()

        def ingest() -> None:
            for n in range(1, 16):
                feed.write(h264_unit(n * 3000, keyframe=False, size=500))
                time.sleep(0.03)
            ended.set()

        thread = threading.Thread(target=ingest)
        thread.start()
        ended.wait(PATIENCE_S)  # the loop runs nothing meanwhile
        thread.join()
        assert bench.counters(peer)["packets_sent"] >= 15  # all but the last, which may be under way
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 16)
        await asyncio.sleep(0)

    def test_many_threads_write_at_once(self, bench: Bench) -> None:
        feeds = [bench.feed() for _ in range(4)]
        _, viewer = bench.join(
            *((feed, video_subscription(VIDEO_SSRC + 16 * n)) for n, feed in enumerate(feeds))
        )
        viewer.connect()
        units = gop(0, 40, size=500)
        threads = [threading.Thread(target=write_all, args=(feed, units)) for feed in feeds]
        for thread in threads:
            thread.start()
        ssrcs = [VIDEO_SSRC + 16 * n for n in range(4)]
        viewer.wait(lambda: all(sum(p.marker for p in viewer.packets(s)) == 40 for s in ssrcs))
        for thread in threads:
            thread.join()
        for ssrc in ssrcs:
            assert_contiguous(viewer.seqs(ssrc))

    def test_viewers_come_and_go_without_a_trace(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 5))
        descriptors = len(os.listdir("/proc/self/fd"))
        for number in range(20):
            peer, viewer = bench.join((feed, video_subscription()), protocol="tcp" if number % 2 else "udp")
            viewer.wait(lambda viewer=viewer: viewer.packets(VIDEO_SSRC))  # type: ignore[misc]
            peer.close()
            viewer.wait(lambda viewer=viewer: any(isinstance(p, rtcp.Bye) for p in viewer.rtcp))  # type: ignore[misc]
            viewer.close()
        end = time.monotonic() + PATIENCE_S
        while len(os.listdir("/proc/self/fd")) > descriptors:
            assert time.monotonic() < end
        assert len(bench.plane.snapshot()) == 0

    def test_readiness_follows_the_events(self, bench: Bench) -> None:
        assert select.select([bench.plane.fileno()], [], [], 0)[0] == []
        bench.join()
        assert select.select([bench.plane.fileno()], [], [], PATIENCE_S)[0]
        assert [type(event) for event in bench.plane.poll()] == [AddressLearned]
        assert select.select([bench.plane.fileno()], [], [], 0)[0] == []
        assert list(bench.plane.poll()) == []
