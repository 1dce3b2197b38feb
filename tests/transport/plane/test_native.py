from __future__ import annotations

import errno
import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.fakes.media import AUDIO, gop, h264_unit, noise
from tests.fakes.viewer import PATIENCE_S, FakeViewer, audio_subscription, video_subscription
from tests.transport.plane.bench import (
    AUDIO_SSRC,
    VIDEO_SSRC,
    Bench,
    Clock,
    HeldClock,
    Sockets,
    assert_contiguous,
    units_of,
)
from tests.transport.plane.contract import PlaneContract
from tests.transport.plane.contract.tcp import BARE_REQUEST
from transport.media import AccessUnit, Codec, opus
from transport.plane import stun
from transport.plane.framing import frame
from transport.plane.interface import ConsentLost, Event, Plane, PlaneOptions, SrtpProfile
from transport.plane.native import NativePlane, seal
from transport.plane.priority import NICE, raise_priority
from transport.rtp.header import RtpPacket

#: From asm-generic/socket.h.
_SO_NO_CHECK = 11

# RFC 7714 sections 16.1.1 and 16.2.1: AES-128-GCM and AES-256-GCM over the same packet.
_HEADER = bytes.fromhex("8040f17b8041f8d35501a0b2")
_IV = bytes.fromhex("51753c6580c2726f20718414")
_PLAIN = b"Gallia est omnis divisa in partes tres"
_SEALED = {
    16: "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"
    "899d7f27beb16a9152cf765ee4390cce",
    32: "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b"
    "7aa3db36dfffd6b0f9bb7878d7a76c13",
}


@pytest.mark.parametrize("key_bytes", [16, 32])
@pytest.mark.parametrize("ipsec_mb", [False, True])
def test_the_vectors_of_rfc_7714(key_bytes: int, ipsec_mb: bool) -> None:
    name, sealed = seal(bytes(range(key_bytes)), _IV, _HEADER, _PLAIN, ipsec_mb=ipsec_mb)
    assert sealed.hex() == _SEALED[key_bytes]
    assert name == "openssl" or ipsec_mb


# Sections 17.1 and 17.2: a sender report, its SRTCP index in the additional data.
_REPORT = bytes.fromhex("81c8000d4d617273")
_REPORT_IV = bytes.fromhex("517524055203726f207170bb")
_REPORT_PLAIN = b"NTP1NTP2RTP " + bytes.fromhex("0000042a0000e930") + b"Luna" + bytes.fromhex("deadbeef") * 5
_REPORT_SEALED = {
    16: "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b"
    "c84aa45896cf4d2fc5abf87245d9eade",
    32: "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad"
    "1d1eb30c4446839f57ff6f6cb26ac3be",
}


@pytest.mark.parametrize("key_bytes", [16, 32])
@pytest.mark.parametrize("ipsec_mb", [False, True])
def test_the_vectors_of_rfc_7714_for_reports(key_bytes: int, ipsec_mb: bool) -> None:
    aad = _REPORT + bytes.fromhex("800005d4")
    _, sealed = seal(bytes(range(key_bytes)), _REPORT_IV, aad, _REPORT_PLAIN, ipsec_mb=ipsec_mb)
    assert sealed.hex() == _REPORT_SEALED[key_bytes]


class TestNativePlane(PlaneContract):
    """With as many threads as cores, and the quickest cipher there is."""

    open_plane = NativePlane

    def test_who_proves_nothing_and_reads_no_answers_is_closed(self, bench: Bench) -> None:
        with socket.create_connection(bench.address, timeout=PATIENCE_S) as stranger:
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            with pytest.raises(OSError, match=r"reset|Broken pipe"):
                for _ in range(400):  # the answers to all of them have 10 MB
                    stranger.sendall(frame(BARE_REQUEST) * 500)


class TestNativePlaneWithOpenssl(PlaneContract):
    @staticmethod
    def open_plane(udp: Sockets, tcp: Sockets, options: PlaneOptions, clock: Clock) -> Plane:
        plane = NativePlane(udp, tcp, options, clock, ipsec_mb=False)
        assert (plane.name, plane.cipher) == ("native", "openssl")
        return plane


#: From as many on, a thread lets what is written, and what viewers send, wait a moment for company.
_MANY = 64


class _Crowded(NativePlane):
    """With many on each thread who have not said anything yet, and of whom nobody is told."""

    def __init__(self, udp: Sockets, tcp: Sockets, options: PlaneOptions, clock: Clock) -> None:
        super().__init__(udp, tcp, options, clock)
        threads = options.threads or len(os.sched_getaffinity(0))
        idle = [self.peer(f"idle{n}", "password-of-twenty-two-chars") for n in range(_MANY * threads)]
        self._idle = [peer.id for peer in idle]

    def snapshot(self) -> npt.NDArray[np.void]:
        rows = super().snapshot()
        return rows[~np.isin(rows["peer_id"], self._idle)]

    def poll(self) -> list[Event]:
        return [
            event
            for event in super().poll()
            if not (isinstance(event, ConsentLost) and event.peer.id in self._idle)
        ]


class TestCrowdedPlane(PlaneContract):
    """Where many watch, threads wake up at other times: it must not show."""

    open_plane = _Crowded


def test_threads_run_before_what_else_there_is(crowd: Crowd) -> None:
    allowed: list[int] = []

    def try_it() -> None:
        raise_priority()
        allowed.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    one = threading.Thread(target=try_it)
    one.start()
    one.join()
    plane = [thread.native_id for thread in threading.enumerate() if thread.name == "plane-0"]
    assert plane and all(id is not None and os.getpriority(os.PRIO_PROCESS, id) in allowed for id in plane)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) > NICE


class Crowd:
    """A plane and some viewers of one feed."""

    def __init__(self, stack: ExitStack, viewers: int) -> None:
        self.planes: list[NativePlane] = []
        self.bench = Bench(self._open, PlaneOptions(threads=1), stack)
        self.plane = self.planes[0]
        self.feed = self.bench.feed()
        self.viewers: list[FakeViewer] = []
        for _ in range(viewers):
            _, viewer = self.bench.join((self.feed, video_subscription()))
            self.viewers.append(viewer)
        self.pictures = 0

    def _open(self, udp: Sockets, tcp: Sockets, options: PlaneOptions, clock: Clock) -> Plane:
        plane = NativePlane(udp, tcp, options, clock)
        self.planes.append(plane)
        return plane

    def write(self, size: int = 5000) -> None:
        unit = h264_unit(self.pictures * 3000, keyframe=self.pictures == 0, size=size)
        self.feed.write(unit)
        self.pictures += 1

    def wait_all(self) -> None:
        for viewer in self.viewers:
            viewer.wait(lambda viewer=viewer: marks(viewer) == self.pictures)  # type: ignore[misc]


def marks(viewer: FakeViewer) -> int:
    return sum(packet.marker for packet in viewer.packets(VIDEO_SSRC))


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    with ExitStack() as stack:
        yield Crowd(stack, 3)


def test_one_call_takes_many_viewers_and_many_packets(crowd: Crowd) -> None:
    crowd.write()
    crowd.wait_all()
    before = crowd.plane.send_calls
    crowd.write(size=8000)
    crowd.wait_all()
    assert crowd.plane.has_gso
    assert crowd.plane.send_calls == before + 1


@pytest.mark.parametrize(("error", "goes_on"), [(errno.EIO, False), (errno.EINVAL, True)])
def test_runs_that_the_kernel_refuses_go_packet_by_packet(crowd: Crowd, error: int, goes_on: bool) -> None:
    crowd.write()
    crowd.wait_all()
    crowd.plane._fail_sends(error, 1, only_runs=True)
    for _ in range(3):
        crowd.write(size=8000)
        crowd.wait_all()
    assert crowd.plane.refused_runs == 1
    assert crowd.plane.has_gso is goes_on
    for viewer in crowd.viewers:
        assert_contiguous(viewer.seqs(VIDEO_SSRC))
        assert viewer.undecipherable == 0
    assert crowd.bench.counters_of_all("packets_dropped") == 0


def test_a_kernel_that_really_refuses_runs(crowd: Crowd) -> None:
    with ExitStack() as stack:
        bench = Bench(_open_without_checksums, PlaneOptions(threads=1), stack)
        feed = bench.feed()
        pictures = gop(0, 10, size=8000)
        for unit in pictures:
            feed.write(unit)
        viewers = [bench.join((feed, video_subscription()))[1] for _ in range(3)]
        for viewer in viewers:
            viewer.wait(lambda viewer=viewer: marks(viewer) == 10)  # type: ignore[misc]
            assert_contiguous(viewer.seqs(VIDEO_SSRC))
            assert units_of(viewer.packets(VIDEO_SSRC)) == [unit.data for unit in pictures]
        assert isinstance(bench.plane, NativePlane)
        assert bench.plane.refused_runs > 0
        assert bench.counters_of_all("packets_dropped") == 0


def _open_without_checksums(udp: Sockets, tcp: Sockets, options: PlaneOptions, clock: Clock) -> Plane:
    """Linux segments no datagrams of a socket that wants no checksums: EINVAL, as on some paths."""
    for sock in udp:
        sock.setsockopt(socket.SOL_SOCKET, _SO_NO_CHECK, 1)
    return NativePlane(udp, tcp, options, clock)


def test_a_run_that_is_refused_may_then_be_taken_in_pieces(crowd: Crowd) -> None:
    crowd.write()
    crowd.wait_all()
    crowd.plane._send_one_by_one(True)
    crowd.plane._fail_sends(errno.EIO, 1, only_runs=True)
    for _ in range(3):
        crowd.write(size=8000)
    crowd.wait_all()
    assert crowd.plane.refused_runs == 1 and not crowd.plane.has_gso
    for viewer in crowd.viewers:
        assert_contiguous(viewer.seqs(VIDEO_SSRC))
        assert viewer.undecipherable == 0
    assert crowd.bench.counters_of_all("packets_dropped") == 0


def test_short_counts_lose_nothing(crowd: Crowd) -> None:
    crowd.plane._send_one_by_one(True)
    for _ in range(5):
        crowd.write(size=8000)
    crowd.wait_all()
    for viewer in crowd.viewers:
        assert_contiguous(viewer.seqs(VIDEO_SSRC))
    assert crowd.bench.counters_of_all("packets_dropped") == 0


def test_a_full_socket_drops_runs_and_counts_them(crowd: Crowd) -> None:
    crowd.write()
    crowd.wait_all()
    sent = crowd.bench.counters_of_all("packets_sent")
    crowd.plane._fail_sends(errno.EAGAIN, 2)  # the runs of two viewers
    crowd.write()  # and no check meanwhile, whose answer might be what is not sent
    survivors: list[FakeViewer] = []
    while not survivors:
        for viewer in crowd.viewers:
            viewer.poll(0.01)
        survivors = [viewer for viewer in crowd.viewers if marks(viewer) == 2]
    assert len(survivors) == 1
    missing = len(survivors[0].packets(VIDEO_SSRC)) - len(crowd.viewers[0].packets(VIDEO_SSRC))
    missing = max(missing, len(survivors[0].packets(VIDEO_SSRC)) - len(crowd.viewers[-1].packets(VIDEO_SSRC)))
    assert crowd.bench.counters_of_all("packets_dropped") == 2 * missing > 0
    assert crowd.bench.counters_of_all("packets_sent") == sent + missing
    # The numbers were used up: to a viewer it is loss, which it can have repaired.
    losers = [viewer for viewer in crowd.viewers if viewer is not survivors[0]]
    for viewer in losers:
        last = viewer.seqs(VIDEO_SSRC)[-1]
        viewer.nack(VIDEO_SSRC, *((last + 1 + n) & 0xFFFF for n in range(missing)))
        viewer.wait(lambda viewer=viewer: len(viewer.packets(VIDEO_SSRC + 1)) == missing)  # type: ignore[misc]


def test_a_storm_of_full_sockets_is_loss_and_nothing_else(crowd: Crowd) -> None:
    """While the kernel takes nothing, pictures, reports, answers and retransmissions are lost."""
    feed_peer, on_tcp = crowd.bench.join((crowd.feed, video_subscription()), protocol="tcp")
    on_tcp.connect()
    crowd.write()
    crowd.wait_all()
    on_tcp.wait(lambda: marks(on_tcp) == 1)
    before = {viewer: viewer.seqs(VIDEO_SSRC)[-1] for viewer in crowd.viewers}
    crowd.plane._fail_sends(errno.EAGAIN, 1 << 30)
    for number in range(30):
        crowd.write(size=8000)
        on_tcp.check()
        for viewer in crowd.viewers:
            viewer.check()
            viewer.nack(VIDEO_SSRC, before[viewer])
        on_tcp.wait(lambda number=number: marks(on_tcp) == 2 + number)  # type: ignore[misc]
        crowd.bench.clock.advance(1.0)  # reports are due
    lost = len(on_tcp.packets(VIDEO_SSRC)) - len(crowd.viewers[0].packets(VIDEO_SSRC))
    on_tcp.wait(lambda: crowd.bench.counters_of_all("packets_dropped") == 3 * lost)
    on_tcp.wait(lambda: crowd.bench.counters_of_all("nacks") == 3 * 30)
    on_tcp.connect()  # whatever was made before this answer was offered to the kernel by now
    for viewer in crowd.viewers:
        viewer.poll()
        assert viewer.seqs(VIDEO_SSRC)[-1] == before[viewer]
    assert not [event for event in crowd.bench.poll() if isinstance(event, ConsentLost)]
    crowd.plane._fail_sends(0, 0)
    crowd.write(size=8000)
    for viewer in crowd.viewers:
        viewer.wait(lambda viewer=viewer: marks(viewer) == 2)  # type: ignore[misc]
        last = [packet.seq for packet in viewer.packets(VIDEO_SSRC)][-7:]
        assert_contiguous(last)
        # What was lost has its numbers, and the newest of it can still be had.
        assert (last[0] - before[viewer] - 1) & 0xFFFF == lost
        assert viewer.packets(VIDEO_SSRC + 1) == []
        viewer.nack(VIDEO_SSRC, *((last[0] - back) & 0xFFFF for back in range(1, 8)))
        viewer.wait(lambda viewer=viewer: len(viewer.packets(VIDEO_SSRC + 1)) == 7)  # type: ignore[misc]
        assert viewer.undecipherable == 0
    assert on_tcp.undecipherable == 0 and crowd.bench.counters(feed_peer)["packets_dropped"] == 0


def test_a_viewer_moves_while_its_packets_are_under_way(crowd: Crowd) -> None:
    """In the middle of pictures, back and forth: each packet comes once, to the one place or the other."""
    viewer = crowd.viewers[0]
    places = [viewer.socket]
    crowd.write()
    crowd.wait_all()

    def has_all() -> bool:
        for place in places:
            viewer.socket = place
            viewer.poll()
        return marks(viewer) == crowd.pictures

    with ExitStack() as stack:
        for number in range(20):
            crowd.write(size=40_000)  # more than goes out at once
            if number % 4 == 3:
                viewer.socket = places[0]
            else:
                viewer.move()
                places.append(stack.enter_context(viewer.socket))
            viewer.connect()
            has_all()
        stack.enter_context(places[0])
        viewer.wait(has_all)
        first = min(viewer.seqs(VIDEO_SSRC))
        assert sorted(viewer.seqs(VIDEO_SSRC)) == list(range(first, first + len(viewer.seqs(VIDEO_SSRC))))
        assert viewer.undecipherable == 0


def test_viewers_on_all_threads_see_the_same(crowd: Crowd) -> None:
    with ExitStack() as stack:
        bench = Bench(NativePlane, PlaneOptions(threads=4), stack)
        feed = bench.feed()
        pictures = gop(0, 20)
        for unit in pictures:
            feed.write(unit)
        viewers = [bench.join((feed, video_subscription()), protocol=p)[1] for p in ("udp", "tcp") * 6]
        for viewer in viewers:
            viewer.wait(lambda viewer=viewer: marks(viewer) == 20)  # type: ignore[misc]
            assert units_of(viewer.packets(VIDEO_SSRC)) == [unit.data for unit in pictures]
            viewer.nack(VIDEO_SSRC, viewer.seqs(VIDEO_SSRC)[3])
            viewer.wait(lambda viewer=viewer: viewer.packets(VIDEO_SSRC + 1))  # type: ignore[misc]


@pytest.mark.parametrize("threads", [1, 2])
def test_an_address_that_another_viewer_proves_is_taken_over(threads: int) -> None:
    with ExitStack() as stack:
        bench = Bench(NativePlane, PlaneOptions(threads=threads), stack)
        feed = bench.feed()
        first, viewer = bench.join((feed, video_subscription()))
        second, other = bench.peer()  # on the other thread, if there is one
        feed.write(h264_unit(0, keyframe=True))
        viewer.wait(lambda: marks(viewer) == 1)
        viewer.ufrag, viewer.pwd = other.ufrag, other.pwd
        viewer.connect()
        assert second.address == viewer.address
        viewer.wait(lambda: first.address is None)
        viewer.send(b"\x16hello")
        while not (dtls := [e for e in bench.poll() if hasattr(e, "data")]):
            pass
        assert dtls[0].peer is second


def test_an_address_may_be_taken_between_two_viewers_pictures() -> None:
    """The thread that serves one viewer after the other meets one whose only address is another's now."""
    wall = HeldClock(time.time)

    def open_plane(udp: Sockets, tcp: Sockets, options: PlaneOptions, clock: Clock) -> Plane:
        return NativePlane(udp, tcp, options, clock, wall)

    with ExitStack() as stack:
        bench = Bench(open_plane, PlaneOptions(threads=2), stack)
        stack.callback(wall.let_go)
        feed = bench.feed()
        first, viewer = bench.join((feed, video_subscription()))  # on the second thread
        second, other = bench.peer()
        # Who came last is served first.
        _, before = bench.join((feed, video_subscription()))
        feed.write(h264_unit(0, keyframe=True))
        for one in (viewer, before):
            one.wait(lambda one=one: marks(one) == 1)  # type: ignore[misc]
        wall.hold("plane-1")
        bench.clock.advance(2.0)
        wall.wait("plane-1")
        # The other reports in this turn too; in the next both are served what is written meanwhile.
        bench.clock.advance(2.0)
        feed.write(h264_unit(3000, keyframe=False))
        for _ in range(2):
            wall.step("plane-1")
        viewer.ufrag, viewer.pwd = other.ufrag, other.pwd
        viewer.connect()
        assert second.address == viewer.address
        wall.let_go()
        before.wait(lambda: marks(before) == 2)
        viewer.wait(lambda: first.address is None)
        feed.write(h264_unit(6000, keyframe=False))
        before.wait(lambda: marks(before) == 3)


def authentic_nonsense(rng: random.Random) -> bytes:
    """RTCP as somebody might send who has the keys: lengths, counts and types that do not fit."""
    packets = bytearray()
    for _ in range(rng.randrange(1, 4)):
        body = bytearray(rng.randbytes(4 * rng.randrange(0, 20)))
        if len(body) >= 8 and rng.random() < 0.7:
            body[4:8] = rng.choice((VIDEO_SSRC, VIDEO_SSRC + 1, 0)).to_bytes(4, "big")
        if len(body) >= 12 and rng.random() < 0.3:
            body[8:12] = b"REMB"
        words = len(body) // 4 + rng.choice((0, 0, 0, 0, 1, -1, 60_000))
        first = 0x80 | rng.choice((0, 0, 0x20)) | rng.randrange(32)
        # No goodbye among them: it would end the viewer.
        kind = rng.choice((200, 201, 202, 204, 205, 206, 207))
        packets += bytes([first, kind]) + max(0, words).to_bytes(2, "big") + body
    return bytes(packets).ljust(8, b"\0")


@pytest.mark.parametrize("profile", [SrtpProfile.AEAD_AES_256_GCM, SrtpProfile.AES128_CM_SHA1_80])
def test_authentic_nonsense_hurts_nobody(profile: SrtpProfile) -> None:
    rng = random.Random(7)
    with ExitStack() as stack:
        bench = Bench(NativePlane, PlaneOptions(), stack)
        feed = bench.feed()
        peer, viewer = bench.join((feed, video_subscription()), profile=profile)
        rounds = int(os.environ.get("FUZZ_ROUNDS", "2000"))
        for number in range(rounds):
            viewer.send(viewer._tx.protect_rtcp(authentic_nonsense(rng)))
            message = bytearray(
                stun.serialize(
                    stun.BINDING_REQUEST,
                    rng.randbytes(12),
                    {
                        rng.choice((stun.USERNAME, stun.PRIORITY, 0x7777)): f"{viewer.ufrag}:x".encode(),
                        rng.randrange(1 << 16): rng.randbytes(rng.randrange(40)),
                    },
                    rng.choice((viewer.pwd, "wrong", None)),
                )
            )
            if rng.random() < 0.5:
                message[rng.randrange(len(message))] ^= 1 << rng.randrange(8)
            viewer.send(
                bytes(message[: rng.randrange(1, len(message) + 1)] if rng.random() < 0.2 else message)
            )
            if number % 50 == 0:
                feed.write(h264_unit(number * 60, keyframe=number % 500 == 0))
                if any(isinstance(event, ConsentLost) for event in bench.poll()):
                    # With a wrong length, the middle of a packet may have read as a goodbye.
                    bench.events.clear()
                    peer.close()
                    peer, viewer = bench.join((feed, video_subscription()), profile=profile)
                viewer.poll()
        peer.close()
        _, viewer = bench.join((feed, video_subscription()), profile=profile)
        viewer.wait(lambda: marks(viewer) > 0)
        written = marks(viewer)
        feed.write(h264_unit(rounds * 60, keyframe=True))
        viewer.wait(lambda: marks(viewer) > written)
        assert viewer.undecipherable == 0


def test_threads_have_names_that_top_shows(crowd: Crowd) -> None:
    names = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # another thread has just ended
            names.add(task.joinpath("comm").read_text().strip())
    assert "plane-0" in names


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="max_payload_bytes"):
        NativePlane([], [], PlaneOptions(max_payload_bytes=20))
    with pytest.raises(ValueError, match="sockets"):
        NativePlane([], [], PlaneOptions())


class Listeners:
    """A plane with many viewers, one of whom listens to the sound of one feed."""

    def __init__(self, stack: ExitStack, *, sealed: bool, viewers: int = _MANY) -> None:
        self.bench = Bench(NativePlane, PlaneOptions(threads=1), stack)
        self.feed = self.bench.plane.feed(Codec.OPUS, 48_000, epoch_s=0.0, sealed=sealed)
        for n in range(viewers - 1):
            self.bench.plane.peer(f"idle{n}", "password-of-twenty-two-chars")
        _, self.viewer = self.bench.join((self.feed, audio_subscription()))
        self.viewer.connect()  # answered after the subscription took effect
        self.sounds: list[bytes] = []

    def write(self, count: int) -> None:
        """Sounds that follow each other, at once."""
        for _ in range(count):
            n = len(self.sounds)
            self.sounds.append(b"\xfc" + noise(200 + n % 90, n))
            pts = 960 * n
            self.feed.write(AccessUnit(AUDIO, pts, pts, self.sounds[-1], keyframe=True, received_at=0.0))

    def heard(self) -> list[bytes]:
        """The frames that came, in order, and nothing that was not written."""
        frames: list[bytes] = []
        for packet in self.viewer.packets(AUDIO_SSRC):
            one, two = self.sounds[len(frames) : len(frames) + 1], self.sounds[len(frames) : len(frames) + 2]
            assert packet.timestamp - self._first().timestamp & 0xFFFFFFFF == 960 * len(frames)
            frames += one if packet.payload == one[0] else two
            assert packet.payload in (one[0], opus.pair(*two) if len(two) == 2 else None)
        return frames

    def wait(self) -> None:
        self.viewer.wait(lambda: len(self.heard()) == len(self.sounds))

    def _first(self) -> RtpPacket:
        return self.viewer.packets(AUDIO_SSRC)[0]

    def count(self) -> int:
        return len(self.viewer.packets(AUDIO_SSRC))


def test_sounds_written_together_share_a_packet_where_many_listen() -> None:
    with ExitStack() as stack:
        listeners = Listeners(stack, sealed=False)
        for _ in range(200):
            before = listeners.count()
            listeners.write(3)
            listeners.wait()
            assert_contiguous(listeners.viewer.seqs(AUDIO_SSRC))
            if listeners.count() == before + 2:  # else the thread was quicker than the three were written
                break
        else:
            pytest.fail("three sounds never went in two packets")
        assert listeners.viewer.undecipherable == 0


@pytest.mark.parametrize(("sealed", "viewers"), [(True, _MANY), (False, 1)], ids=["sealed", "few listen"])
def test_other_sounds_go_as_they_are(sealed: bool, viewers: int) -> None:
    with ExitStack() as stack:
        listeners = Listeners(stack, sealed=sealed, viewers=viewers)
        for _ in range(20):
            listeners.write(2)
            listeners.wait()
        assert listeners.count() == 40
