"""What every media plane has to do, over real sockets. Each implementation's tests inherit this class."""

from __future__ import annotations

import asyncio
import os
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise

import pylibsrtp
import pytest

from tests.fakes.media import AUDIO, VIDEO, audio_units, gop, h264_unit
from tests.fakes.viewer import (
    PATIENCE_S,
    PLAYOUT_ID,
    PROFILES,
    FakeViewer,
    audio_subscription,
    video_subscription,
)
from tests.transport.plane.bench import (
    AUDIO_SSRC,
    RTX_SSRC,
    VIDEO_SSRC,
    Bench,
    assert_contiguous,
    units_of,
    write_all,
)
from transport.media import AccessUnit, Codec
from transport.plane import bind_sockets, stun
from transport.plane.framing import frame
from transport.plane.interface import (
    AddressLearned,
    ConsentLost,
    DtlsReceived,
    KeyframeWanted,
    Plane,
    PlaneOptions,
    SrtpProfile,
)
from transport.rtp import rtcp
from transport.rtp.header import RtpPacket


class PlaneContract:
    """Inherit and implement `open_plane`."""

    @staticmethod
    def open_plane(
        udp: list[socket.socket],
        tcp: list[socket.socket],
        options: PlaneOptions,
        *,
        clock: Callable[[], float],
    ) -> Plane:
        raise NotImplementedError

    @pytest.fixture
    def stack(self) -> Iterator[ExitStack]:
        with ExitStack() as stack:
            yield stack

    @pytest.fixture
    def bench(self, stack: ExitStack) -> Bench:
        return Bench(self.open_plane, PlaneOptions(), stack)

    # Joining

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

    # Repair

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

    # Addresses

    def test_a_check_without_the_password_gains_nothing(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 3))
        peer, viewer = bench.peer()
        viewer.give_keys(peer)
        peer.subscribe(feed, video_subscription())
        viewer.connect(pwd="guessed-guessed-guessed")
        assert viewer.stun[-1].error_code == 401
        assert peer.address is None and peer.protocol == ""
        viewer.send(b"\x16dtls from nobody")
        viewer.connect()
        viewer.wait(lambda: viewer.packets(VIDEO_SSRC))
        assert viewer.stun[-1].xor_mapped_address == viewer.address == peer.address
        assert viewer.stun[-1].is_signed_with(viewer.pwd)
        assert [type(event) for event in bench.poll()] == [AddressLearned]

    def test_a_spoofed_check_does_not_move_a_viewer(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 1))
        peer, viewer = bench.join((feed, video_subscription()))
        viewer.wait(lambda: viewer.packets(VIDEO_SSRC))
        spoofer = FakeViewer(bench.address, viewer.ufrag, "not-the-password-at-all")
        spoofer.connect()
        spoofer.close()
        assert peer.address == viewer.address
        feed.write(h264_unit(3000, keyframe=False))
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 2)

    def test_a_viewer_moves_when_it_nominates_another_address(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 2))
        peer, viewer = bench.join((feed, video_subscription()))
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 2)
        first = viewer.address
        with viewer.move():
            viewer.connect(nominate=False)
            assert peer.address == first
            viewer.connect()
            assert peer.address == viewer.address != first
            write_all(feed, [h264_unit(n * 3000, keyframe=False) for n in range(2, 5)])
            viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 5)
        assert_contiguous(viewer.seqs(VIDEO_SSRC))
        learned = bench.wait_for_event(AddressLearned, 2)
        assert [e.address for e in learned if isinstance(e, AddressLearned)] == [first, viewer.address]

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    @pytest.mark.parametrize("protocol", ["udp", "tcp"])
    def test_one_socket_serves_both_families(self, stack: ExitStack, host: str, protocol: str) -> None:
        bench = Bench(self.open_plane, PlaneOptions(), stack, host="")
        bench.address = (host, bench.address[1])
        feed = bench.feed()
        pictures = gop(0, 5)
        write_all(feed, pictures)
        others = [bench.join((feed, video_subscription()), protocol=protocol) for _ in range(3)]
        for peer, viewer in others:
            assert peer.address == viewer.address == viewer.stun[-1].xor_mapped_address
            viewer.wait(lambda viewer=viewer: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 5)  # type: ignore[misc]
            assert units_of(viewer.packets(VIDEO_SSRC)) == [unit.data for unit in pictures]

    def test_a_viewer_may_go_from_udp_to_tcp_and_back(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 1))
        peer, viewer = bench.join((feed, video_subscription()))
        with FakeViewer(bench.address, viewer.ufrag, viewer.pwd, protocol="tcp").socket as connection:
            request = {stun.USERNAME: f"{viewer.ufrag}:x".encode(), stun.USE_CANDIDATE: b""}
            connection.send(frame(stun.serialize(stun.BINDING_REQUEST, bytes(12), request, viewer.pwd)))
            bench.wait_for_event(AddressLearned, 2)
            assert peer.protocol == "tcp"
        # The connection ended, the UDP address is still there.
        bench.wait_for_event(AddressLearned, 3)
        assert peer.protocol == "udp" and peer.address == viewer.address
        assert not [event for event in bench.events if isinstance(event, ConsentLost)]

    def test_a_restart_accepts_new_credentials_and_the_old_ones_for_a_while(self, bench: Bench) -> None:
        peer, viewer = bench.join()
        peer.set_credentials("renewed", "renewed-password-of-22+")
        viewer.connect()
        viewer.ufrag, viewer.pwd = "renewed", "renewed-password-of-22+"
        viewer.connect()
        assert viewer.stun[-1].message_type == stun.BINDING_SUCCESS

    def test_a_controlled_viewer_is_told_of_the_conflict(self, bench: Bench) -> None:
        peer, viewer = bench.peer()
        viewer.connect(attributes={stun.ICE_CONTROLLED: bytes(8)})
        assert viewer.stun[-1].error_code == 487 and peer.address is None

    def test_a_check_without_priority_and_role_is_good(self, bench: Bench) -> None:
        peer, viewer = bench.peer()
        viewer.connect(attributes={})
        assert viewer.stun[-1].message_type == stun.BINDING_SUCCESS and peer.address == viewer.address

    def test_dtls_passes_both_ways(self, bench: Bench) -> None:
        peer, viewer = bench.peer()
        peer.send_dtls(b"\x16lost, as nobody knows where to")
        viewer.connect()
        viewer.send(b"\x16hello")
        (event,) = bench.wait_for_event(DtlsReceived)
        assert event == DtlsReceived(peer, b"\x16hello")
        peer.send_dtls(b"\x16answer")
        viewer.wait(lambda: viewer.dtls == [b"\x16answer"])

    # Endings

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
            peer.send_dtls(b"\x16x")
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

    # RTCP

    def test_sender_reports_put_picture_and_sound_on_one_clock(self, bench: Bench) -> None:
        epoch_s = time.time() - 100.0
        video, audio = bench.feed(epoch_s=epoch_s), bench.feed(Codec.OPUS, epoch_s)
        _, viewer = bench.join((video, video_subscription()), (audio, audio_subscription()))
        viewer.connect()
        video.write(h264_unit(100 * 90_000, keyframe=True))
        audio.write(audio_units(100 * 48_000, 1)[0])
        viewer.wait(lambda: viewer.reports(VIDEO_SSRC) and viewer.reports(AUDIO_SSRC))
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
        feed = bench.feed()
        write_all(feed, gop(0, 1))
        assert bench.plane.send_delays().sum() == 0
        _, viewer = bench.join((feed, video_subscription()))
        viewer.wait(lambda: viewer.packets(VIDEO_SSRC))
        before = bench.plane.send_delays().sum()
        write_all(feed, gop(1, 1))
        viewer.wait(lambda: bench.plane.send_delays().sum() == before + 1)

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
        assert counters["bytes_sent"] > 0
        assert counters["last_heard_s"] == pytest.approx(bench.clock(), abs=PATIENCE_S)

    def test_reports_about_sound_are_kept_apart(self, bench: Bench) -> None:
        video, audio = bench.feed(), bench.feed(Codec.OPUS)
        peer, viewer = bench.join((video, video_subscription()), (audio, audio_subscription()))
        viewer.connect()
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

    # TCP

    def test_frames_in_pieces_are_put_together(self, bench: Bench) -> None:
        peer, viewer = bench.peer(protocol="tcp")
        viewer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = {stun.USERNAME: f"{viewer.ufrag}:x".encode()}
        wire = frame(stun.serialize(stun.BINDING_REQUEST, bytes(12), request, viewer.pwd))
        wire += frame(b"\x16first") + frame(b"\x16second")
        for at in range(0, len(wire), 3):
            viewer.socket.send(wire[at : at + 3])
            time.sleep(0)  # lets the plane's thread read pieces
        found = bench.wait_for_event(DtlsReceived, 2)
        assert found == [DtlsReceived(peer, b"\x16first"), DtlsReceived(peer, b"\x16second")]
        assert peer.protocol == "tcp" and peer.address == viewer.address

    def test_a_slow_connection_loses_whole_pictures_up_to_a_keyframe(self, bench: Bench) -> None:
        feed = bench.feed()
        slow_peer, slow = bench.join((feed, video_subscription()), protocol="tcp", receive_bytes=16384)
        _, quick = bench.join((feed, video_subscription()), protocol="tcp")
        for peer_viewer in (slow, quick):
            peer_viewer.connect()
        pictures: list[AccessUnit] = []
        while not pictures or bench.counters(slow_peer)["packets_dropped"] == 0:
            more = gop(len(pictures) * 3000, 30, size=50_000)
            pictures += more
            slow.check()  # it sends what it has to, it only does not read
            quick.check()
            for number, unit in enumerate(more):
                feed.write(unit)
                done = len(pictures) - 30 + number + 1
                quick.wait(lambda done=done: sum(p.marker for p in quick.packets(VIDEO_SSRC)) == done)  # type: ignore[misc]
            assert len(pictures) < 3000
        assert units_of(quick.packets(VIDEO_SSRC)) == [unit.data for unit in pictures]
        # It reads again: what waits arrives, then the next keyframe.
        last = h264_unit(len(pictures) * 3000, keyframe=True)

        def is_live() -> bool:
            stamps = {packet.timestamp for packet in slow.packets(VIDEO_SSRC)}
            return bool(stamps) and wanted in stamps

        sent = bench.counters(slow_peer)["packets_sent"]
        slow.wait(lambda: len(slow.packets(VIDEO_SSRC)) >= sent)
        feed.write(last)
        quick.wait(lambda: sum(p.marker for p in quick.packets(VIDEO_SSRC)) == len(pictures) + 1)
        wanted = quick.packets(VIDEO_SSRC)[-1].timestamp
        slow.wait(is_live)
        slow.wait(lambda: slow.packets(VIDEO_SSRC)[-1].marker)
        assert_contiguous(slow.seqs(VIDEO_SSRC))
        received = units_of(slow.packets(VIDEO_SSRC))
        known = {unit.data: number for number, unit in enumerate([*pictures, last])}
        numbers = [known[data] for data in received]
        for before, after in pairwise(numbers):
            assert after == before + 1 or after % 30 == 0  # a gap ends on a keyframe
        assert len(received) < len(pictures)

    def test_the_end_of_the_only_connection_ends_the_viewer(self, bench: Bench) -> None:
        peer, viewer = bench.join(protocol="tcp")
        viewer.close()
        assert bench.wait_for_event(ConsentLost) == [ConsentLost(peer)]

    def test_connections_that_prove_nothing_are_closed(self, bench: Bench) -> None:
        _, silent = bench.peer(protocol="tcp")
        _, good = bench.peer(protocol="tcp")
        good.connect()
        bench.clock.advance(10.5)
        silent.wait(lambda: silent.is_ended)
        good.connect()

    def test_broken_framing_ends_the_connection(self, bench: Bench) -> None:
        _, viewer = bench.peer(protocol="tcp")
        viewer.socket.send(struct.pack("!H", 60_000) + b"x")
        viewer.wait(lambda: viewer.is_ended)

    def test_there_is_a_limit_to_connections_that_prove_nothing(self, bench: Bench) -> None:
        with ExitStack() as stack:
            connections = []
            for _ in range(300):
                connection = stack.enter_context(socket.create_connection(bench.address, timeout=PATIENCE_S))
                connections.append(connection)
            refused = select.select(connections, [], [], PATIENCE_S)[0]
            assert refused and refused[0].recv(1) == b""
            _, viewer = bench.join()  # UDP goes on
            assert viewer.stun

    # Nonsense

    def test_a_flood_of_garbage_disturbs_nobody(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 1))
        _, viewer = bench.join((feed, video_subscription()))
        rng = random.Random(4)
        cookie = bytes.fromhex("2112a442")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for number in range(10_000):
                noise = rng.randbytes(rng.randrange(0, 200))
                if number % 3 == 0:
                    noise = b"\0\1" + len(noise).to_bytes(2, "big") + cookie + bytes(12) + noise
                elif number % 3 == 1:
                    noise = bytes([rng.choice((22, 128, 200))]) + noise
                stranger.sendto(noise, bench.address)
                if number % 10 == 0:  # also from an address that is known
                    viewer.send(noise or b"\xff")
                if number % 100 == 0:
                    feed.write(h264_unit((number + 100) * 30, keyframe=False))
                    viewer.poll()
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 101)
        assert_contiguous(viewer.seqs(VIDEO_SSRC))
        assert viewer.undecipherable == 0
        viewer.connect()

    def test_wrong_arguments_are_refused(self, bench: Bench) -> None:
        with pytest.raises(ValueError, match="aac"):
            bench.feed(Codec.AAC)
        peer, _ = bench.peer()
        with pytest.raises(ValueError, match="AEAD_AES_256_GCM"):
            peer.set_keys(SrtpProfile.AEAD_AES_256_GCM, bytes(28), bytes(44))
        video, audio = bench.feed(), bench.feed(Codec.OPUS)
        peer.subscribe(video, video_subscription())
        with pytest.raises(ValueError, match="ssrc"):
            peer.subscribe(audio, audio_subscription(VIDEO_SSRC))
        with pytest.raises(ValueError, match="ssrc"):
            peer.subscribe(audio, audio_subscription(RTX_SSRC))
        with pytest.raises(ValueError, match="ssrc"):
            peer.subscribe(video, video_subscription(VIDEO_SSRC - 1))  # its RTX would be the other's media
        with pytest.raises(ValueError, match="h264"):
            audio.write(h264_unit(0, keyframe=True))

    def test_units_that_cannot_be_packetised_are_left_out(self, bench: Bench) -> None:
        feed = bench.feed(Codec.OPUS)
        _, viewer = bench.join((feed, audio_subscription()))
        viewer.connect()
        feed.write(AccessUnit(AUDIO, 0, 0, bytes(5000), True, 0.0))
        feed.write(AccessUnit(AUDIO, 0, 0, b"", True, 0.0))
        feed.write(AccessUnit(AUDIO, 960, 960, b"sound", True, 0.0))
        viewer.wait(lambda: viewer.packets(AUDIO_SSRC))
        assert viewer.packets(AUDIO_SSRC)[0].payload == b"sound"

    def test_units_on_another_clock_are_converted(self, bench: Bench) -> None:
        feed = bench.feed()
        _, viewer = bench.join((feed, video_subscription()))
        milliseconds = replace(VIDEO, clock_rate=1000)
        for count, pts in enumerate((0, 40, 80), 1):
            feed.write(h264_unit(pts, keyframe=pts == 0, track=milliseconds))
            viewer.wait(lambda count=count: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == count)  # type: ignore[misc]
        stamps = [p.timestamp for p in viewer.packets(VIDEO_SSRC) if p.marker]
        assert [(b - a) & 0xFFFFFFFF for a, b in pairwise(stamps)] == [3600, 3600]

    # Numbers and threads

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
