"""A viewer who comes late, and what its packets are like."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import pairwise

import pylibsrtp
import pytest

from tests.fakes.media import audio_units, gop, h264_unit
from tests.fakes.viewer import PROFILES, audio_subscription, video_subscription
from tests.transport.plane.bench import AUDIO_SSRC, VIDEO_SSRC, Bench, assert_contiguous, units_of, write_all
from tests.transport.plane.contract.base import Contract
from transport.media import Codec
from transport.plane.interface import PlaneOptions, SrtpProfile


class Joining(Contract):
    @pytest.mark.parametrize("protocol", ["udp", "tcp"])
    def test_a_late_viewer_gets_the_gop_from_its_keyframe_and_then_lives(
        self, bench: Bench, protocol: str
    ) -> None:
        feed = bench.feed()
        pictures = gop(0, 300, size=2000)  # 10 s
        write_all(feed, pictures)
        _, viewer = bench.join((feed, video_subscription()), protocol=protocol)
        viewer.wait(lambda: any(packet.marker for packet in viewer.packets(VIDEO_SSRC)))
        live = [h264_unit(n * 3000, keyframe=False) for n in range(300, 345)]
        for unit in live:  # 1.5 s: the burst and what follows
            feed.write(unit)
            viewer.poll(1 / 30)
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 345)
        packets = viewer.packets(VIDEO_SSRC)
        assert_contiguous(viewer.seqs(VIDEO_SSRC))
        assert units_of(packets) == [unit.data for unit in [*pictures, *live]]
        stamps = [packet.timestamp for packet in packets if packet.marker]
        steps = [(b - a) & 0xFFFFFFFF for a, b in pairwise(stamps)]
        assert all(0 < step <= 3000 for step in steps)
        assert steps[-10:] == [3000] * 10 and steps[0] < 400
        assert viewer.undecipherable == 0

    def test_a_backlog_whose_clock_leaps_comes_all_the_same(self, bench: Bench) -> None:
        leap = 3 * 10**15
        feed = bench.feed()
        write_all(feed, [h264_unit(0, keyframe=True, size=30_000)])
        write_all(feed, [h264_unit(leap + n * 3000, keyframe=False, size=30_000) for n in range(3)])
        _, viewer = bench.join((feed, video_subscription()))
        viewer.wait(lambda: sum(packet.marker for packet in viewer.packets(VIDEO_SSRC)) == 4)
        write_all(feed, [h264_unit(leap + 9000, keyframe=False)])
        viewer.wait(lambda: sum(packet.marker for packet in viewer.packets(VIDEO_SSRC)) == 5)
        assert_contiguous(viewer.seqs(VIDEO_SSRC))

    def test_small_pictures_take_more_memory_than_what_is_in_them(self, stack: ExitStack) -> None:
        bench = Bench(self.open_plane, PlaneOptions(max_history_bytes=50_000), stack)
        feed = bench.feed()
        write_all(feed, gop(0, 2000, size=1))  # with 5 bytes each, and the first of them is forgotten
        _, viewer = bench.join((feed, video_subscription()))
        viewer.connect()  # answered after the subscription took effect
        feed.write(h264_unit(6_000_000, keyframe=True))
        viewer.wait(lambda: any(packet.marker for packet in viewer.packets(VIDEO_SSRC)))
        assert units_of(viewer.packets(VIDEO_SSRC)) == [h264_unit(6_000_000, keyframe=True).data]

    def test_sound_starts_with_the_next_unit(self, bench: Bench) -> None:
        feed = bench.feed(Codec.OPUS)
        units = audio_units(0, 30)
        write_all(feed, units[:20])
        _, viewer = bench.join((feed, audio_subscription()))
        viewer.connect()  # answered after the subscription took effect
        write_all(feed, units[20:])
        viewer.wait(lambda: len(viewer.packets(AUDIO_SSRC)) == 10)
        assert [packet.payload for packet in viewer.packets(AUDIO_SSRC)] == [u.data for u in units[20:]]

    def test_the_order_of_keys_address_and_subscription_does_not_matter(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 2))
        peer, viewer = bench.peer()
        peer.subscribe(feed, video_subscription())
        viewer.give_keys(peer)
        viewer.connect()
        viewer.wait(lambda: len(units_of(viewer.packets(VIDEO_SSRC))) == 2)

    @pytest.mark.parametrize("profile", list(SrtpProfile))
    def test_packets_are_those_of_libsrtp(self, bench: Bench, profile: SrtpProfile) -> None:
        feed = bench.feed()
        _, viewer = bench.join((feed, video_subscription()), profile=profile)
        write_all(feed, gop(0, 10))
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 10)
        policy = pylibsrtp.Policy(
            key=viewer.server_key,
            ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND,
            srtp_profile=PROFILES[profile],
        )
        oracle = pylibsrtp.Session(policy)
        received = viewer.streams[VIDEO_SSRC]
        assert [oracle.protect(packet) for packet in received.plain] == received.wire
        assert any(packet[0] & 0x20 for packet in received.plain), "padding is part of the comparison"

    def test_every_packet_carries_the_extensions_in_the_same_size(self, bench: Bench) -> None:
        feed = bench.feed()
        _, viewer = bench.join((feed, video_subscription()))
        write_all(feed, gop(0, 5))
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 5)
        assert {p.extensions for p in viewer.packets(VIDEO_SSRC)} == {((4, b"0"), (6, b"\0\0\x64"))}
