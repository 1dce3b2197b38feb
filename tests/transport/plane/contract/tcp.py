"""Viewers whose path is a TCP connection."""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from contextlib import ExitStack
from itertools import pairwise

from tests.fakes.media import gop, h264_unit
from tests.fakes.viewer import PATIENCE_S, video_subscription
from tests.transport.plane.bench import VIDEO_SSRC, Bench, assert_contiguous, units_of
from tests.transport.plane.contract.base import Contract
from transport.media import AccessUnit
from transport.plane import stun
from transport.plane.framing import frame
from transport.plane.interface import ConsentLost, DtlsReceived, PlaneOptions

#: Without a fingerprint: it is answered with an error (RFC 8489 section 14.7).
BARE_REQUEST = struct.pack("!HHI12s", stun.BINDING_REQUEST, 0, 0x2112A442, b"transaction.")


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


class Tcp(Contract):
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

    def test_a_backlog_that_is_due_at_once_may_be_more_than_can_wait(self, bench: Bench) -> None:
        """That ends no connection: what does not go in time is left out."""
        feed = bench.feed()
        feed.write(h264_unit(0, keyframe=True))
        for number in range(1, 41):
            feed.write(h264_unit(9_000_000 + number, keyframe=False, size=1_000_000))
        _, quiet = bench.join()
        peer, viewer = bench.join((feed, video_subscription()), protocol="tcp", receive_bytes=16384)
        quiet.wait(lambda: bench.counters(peer)["packets_sent"])
        bench.clock.advance(1.5)  # what remains is due within a second
        quiet.wait(lambda: bench.counters(peer)["bytes_sent"] > 1_000_000)
        bench.clock.advance(2.0)  # and waits no longer than three
        quiet.wait(lambda: bench.counters(peer)["packets_dropped"])
        sent = bench.counters(peer)["packets_sent"]
        viewer.wait(lambda: len(viewer.packets(VIDEO_SSRC)) == sent)
        feed.write(h264_unit(9_003_000, keyframe=True))
        viewer.wait(lambda: len(viewer.packets(VIDEO_SSRC)) > sent)
        assert_contiguous(viewer.seqs(VIDEO_SSRC))

    def test_who_does_not_read_is_not_read(self, stack: ExitStack) -> None:
        """Or else the answers to its checks would be kept without end."""
        bench = Bench(self.open_plane, PlaneOptions(threads=1), stack)
        feed = bench.feed()
        feed.write(h264_unit(0, keyframe=True, size=8_000_000))  # more than the kernel takes
        _, other = bench.join()
        peer, viewer = bench.join((feed, video_subscription()), protocol="tcp", receive_bytes=16384)
        other.wait(lambda: bench.counters(peer)["bytes_sent"] > 8_000_000)
        other.connect()
        viewer.send(b"\x16hello")
        for _ in range(3):  # the thread had a look at all of its sockets
            other.connect()
        assert not [event for event in bench.poll() if isinstance(event, DtlsReceived)]
        viewer.wait(lambda: [event for event in bench.poll() if isinstance(event, DtlsReceived)])
        assert not [event for event in bench.events if isinstance(event, ConsentLost)]

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

    def test_a_connection_that_fails_on_its_way_to_another_thread_is_closed(self, bench: Bench) -> None:
        _, quiet = bench.join()
        viewers = [bench.peer()[1] for _ in range(8)]  # on all threads
        before = _descriptors()
        for _ in range(10):
            for viewer in viewers:
                name = {stun.USERNAME: f"{viewer.ufrag}:x".encode()}
                wanted = stun.serialize(stun.BINDING_REQUEST, bytes(12), name, "wrong")
                with socket.create_connection(bench.address, timeout=PATIENCE_S) as connection:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.sendall(frame(BARE_REQUEST) + frame(wanted))
        quiet.wait(lambda: _descriptors() <= before)

    def test_a_flood_of_connections_that_prove_nothing_keeps_nobody_out(self, bench: Bench) -> None:
        """There is a limit to them, and it is the flood's own, from the longest there on, that make room."""
        with ExitStack() as stack:
            patient = stack.enter_context(
                socket.create_connection(bench.address, PATIENCE_S, source_address=("127.0.0.2", 0))
            )
            flood = [
                stack.enter_context(socket.create_connection(bench.address, timeout=PATIENCE_S))
                for _ in range(300)
            ]
            for closed in flood[: 300 - 255]:
                assert closed.recv(1) == b""
            _, viewer = bench.peer(protocol="tcp")
            viewer.connect()
            assert viewer.stun
            flood[300 - 255].recv(1)
            assert not select.select([patient, *flood[300 - 254 :]], [], [], 0)[0]
