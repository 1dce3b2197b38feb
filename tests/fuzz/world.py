"""One plane with its viewers and strangers: the steps of an episode, and what must hold when it is over."""

from __future__ import annotations

import ctypes
import errno
import os
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

from tests.fakes.media import AUDIO, VIDEO, VIDEO_H265, h264_unit
from tests.fakes.nonces import NonceWatch, watching
from tests.fakes.viewer import PATIENCE_S, FakeViewer, audio_subscription, video_subscription
from tests.fuzz import nonsense
from tests.fuzz.episode import Episode
from tests.fuzz.taker import Taker
from transport.errors import StateError
from transport.media import AccessUnit, Track
from transport.plane import bind_sockets, native
from transport.plane.interface import Feed, Peer, PlaneOptions, SrtpProfile

_MAX_VIEWERS = 6
#: Of those who join.
_PUBLISHERS_SHARE = 0.3
#: More than an inbox holds, and short enough that the kernel keeps them.
_FLOOD, _FLOOD_BYTES = 2100, 14
_MAX_FEEDS = 4
_WITNESS_SSRC = 0x9000
#: From as many on a thread lets what is written, and what viewers send, wait for company.
_CROWD = 64
#: How often one of the plane's threads is late where it asks for the time, as if others had the processor.
_LATE_SHARE = 0.02
#: Of the wall it is asked in the middle of everything, before a report.
_LATE_REPORTS = 0.3
_PROTOCOLS = ("udp", "udp", "tcp")
#: Of a subscription; some of them are refused.
_CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {},
    {},
    {"mid": "m" * 16},
    {"mid_extension": 0},
    {"cname": "c" * 300},
    {"payload_type": 200},
    {"ssrc": 0x1001},
    {"rtx_ssrc": None},
    {"rtx_ssrc": 0x2000, "rtx_payload_type": 1},
)


class _Viewer:
    """A viewer and what may be said of it at the end."""

    def __init__(self, peer: Peer, fake: FakeViewer) -> None:
        self.peer = peer
        self.fake = fake
        #: Nobody changed its keys or sent it what was for another.
        self.is_pure = True

    def mix(self) -> None:
        """From now on packets of several keys may arrive; only the plane itself can be watched then."""
        self.is_pure = False
        self.fake.nonces = _Blind()


class _Blind(NonceWatch):
    def _see(self, nonce: tuple[bytes, str, int, int], datagram: bytes, number: str) -> None:
        pass


class World:
    """Runs episodes.

    Raises:
        AssertionError: afterwards a new viewer is not served or a new publisher not heard, a packet is
            unreadable, a nonce came twice, or somebody still waits for a publisher.
    """

    def __init__(self, seed: int, stack: ExitStack) -> None:
        rng = random.Random(seed)
        self._stack = stack
        self._ahead_s = self._wall_ahead_s = 0.0
        self._late = random.Random(seed)
        udp, tcp = bind_sockets("127.0.0.1", 0)
        self._address: tuple[str, int] = udp[0].getsockname()
        options = PlaneOptions(
            threads=rng.choice((1, 2, 3)),
            max_payload_bytes=rng.choice((64, 1160, 1160, 1300)),
            history_s=rng.choice((0.0, 1.5)),
            max_history_bytes=rng.choice((1, 100_000, 1 << 26)),
            max_rtx_fraction=rng.choice((0.0, 1.0)),
        )
        self._plane = native.NativePlane(
            udp, tcp, options, self._clock, self._wall_clock, ipsec_mb=rng.random() < 0.5
        )
        self._threads = options.threads
        self._takers: list[Taker] = []
        stack.callback(self._end_takers)
        stack.callback(self._plane.close)
        self._library = ctypes.CDLL(native.__file__)
        stack.callback(self._library.allocations_fail, 0)
        # With tiny packets half a round of sequence numbers may be lost at once, and nobody knows any more.
        self._counts_rollovers = options.max_payload_bytes > 1000
        self._feeds: list[tuple[Feed, Track]] = []
        self._viewers: list[_Viewer] = []
        self._crowd: list[Peer] = []
        self._pts = 0
        self._count = 0
        self._stranger = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.is_over = False

    def _clock(self) -> float:
        self._be_late(_LATE_SHARE)
        return time.monotonic() + self._ahead_s

    def _wall_clock(self) -> float:
        self._be_late(_LATE_REPORTS)
        return time.time() + self._wall_ahead_s

    def _end_takers(self) -> None:
        for taker in self._takers:
            taker.end()

    def _be_late(self, share: float) -> None:
        if threading.current_thread().name.startswith("plane-") and self._late.random() < share:
            time.sleep(self._late.choice((0.0, 0.001, 0.003)))

    # Feeds

    def open_feed(self, rng: random.Random) -> None:
        if len(self._feeds) < _MAX_FEEDS:
            track = rng.choice((VIDEO, VIDEO, VIDEO_H265, AUDIO))
            rate = rng.choice((track.clock_rate, track.clock_rate, 1))
            self._feeds.append((self._plane.feed(track.codec, rate, epoch_s=time.time()), track))

    def write(self, rng: random.Random) -> None:
        for _ in range(rng.choice((1, 1, 1, 3, 10))):
            for feed, track in self._feeds:
                pts = self._pts * track.clock_rate // 30
                unit = nonsense.unit(track, pts, rng)
                if track is VIDEO and rng.random() < 0.5:
                    unit = h264_unit(pts, keyframe=rng.random() < 0.3)
                feed.write(unit)
                if track is AUDIO and rng.random() < 0.5:
                    self._write_sounds(feed, pts + 960, rng)
            self._pts += rng.choice((1, 1, 1, 1, 0, -5, 30))

    def _write_sounds(self, feed: Feed, pts: int, rng: random.Random) -> None:
        """That follow each other, and may share packets."""
        for n in range(rng.randrange(2, 5)):
            data = b"\xfc" + rng.randbytes(rng.choice((0, 1, 80, 80, 90, 260)))
            feed.write(AccessUnit(AUDIO, pts + 960 * n, pts + 960 * n, data, keyframe=True, received_at=0.0))

    def write_strangely_timed(self, rng: random.Random) -> None:
        for feed, track in self._feeds:
            pts = rng.choice((0, 1, -1, 1 << 31, 1 << 33, -(1 << 33), 1 << 45, rng.getrandbits(40)))
            feed.write(nonsense.unit(replace(track, clock_rate=rng.choice((1, 1000, 90_000))), pts, rng))

    def close_feed(self, rng: random.Random) -> None:
        if self._feeds:
            feed, _ = self._feeds.pop(rng.randrange(len(self._feeds)))
            feed.close()

    # Viewers

    def join(self, rng: random.Random) -> None:
        if len(self._viewers) >= _MAX_VIEWERS:
            return
        collects = rng.random() < _PUBLISHERS_SHARE
        viewer = self._new_viewer(rng.choice(_PROTOCOLS), rng.choice(list(SrtpProfile)), collects=collects)
        self._viewers.append(viewer)
        if collects and rng.random() < 0.7:
            self._takers.append(Taker(viewer.peer, rng.getrandbits(32)))
        actions: list[Callable[[], object]] = [
            lambda: viewer.fake.give_keys(viewer.peer),
            viewer.fake.check,
            lambda: self._subscribe(viewer, rng),
            lambda: self._subscribe(viewer, rng),
        ]
        if collects and rng.random() < 0.6:
            actions.append(lambda: viewer.peer.open_with(viewer.fake.profile, viewer.fake.own_key))
        rng.shuffle(actions)
        for action in actions:
            action()

    def _new_viewer(self, protocol: str, profile: SrtpProfile, *, collects: bool = False) -> _Viewer:
        self._count += 1
        ufrag, pwd = f"ufrag{self._count}", f"password-of-twenty-two-{self._count}"
        peer = self._plane.peer(ufrag, pwd, collects=collects)
        fake = FakeViewer(self._address, ufrag, pwd, protocol=protocol, profile=profile)
        self._stack.callback(fake.close)
        return _Viewer(peer, fake)

    def crowd(self, rng: random.Random) -> None:
        """Many who say nothing, on each thread."""
        if not self._crowd:
            for _ in range(_CROWD * self._threads):
                self._count += 1
                self._crowd.append(self._plane.peer(f"ufrag{self._count}", "password-of-twenty-two-chars"))
        else:
            for peer in self._crowd:
                peer.close(bye=rng.random() < 0.5)
            self._crowd.clear()

    def subscribe(self, rng: random.Random) -> None:
        if self._viewers:
            self._subscribe(rng.choice(self._viewers), rng)

    def _subscribe(self, viewer: _Viewer, rng: random.Random) -> None:
        if not self._feeds:
            return
        feed, track = rng.choice(self._feeds)
        wanted = audio_subscription() if track is AUDIO else video_subscription(rng.choice((0x1000, 0x3000)))
        changes = rng.choice(_CHANGES)
        with suppress(ValueError):
            viewer.peer.subscribe(feed, replace(wanted, **changes))

    def rekey(self, rng: random.Random) -> None:
        """Other keys, or the same ones again."""
        if self._viewers:
            viewer = rng.choice(self._viewers)
            if rng.random() < 0.5:
                viewer.mix()
                size = viewer.fake.profile.key_bytes + viewer.fake.profile.salt_bytes
                # Not of `rng`: the same step may happen to two viewers.
                viewer.fake.server_key, viewer.fake.own_key = os.urandom(size), os.urandom(size)
                viewer.fake._reset_srtp()
            viewer.fake.give_keys(viewer.peer)

    def restart(self, rng: random.Random) -> None:
        if self._viewers:
            viewer = rng.choice(self._viewers)
            name = rng.choice(
                (f"renewed{rng.random()}", viewer.fake.ufrag, "", "u" * 256, "u" * 257, "ufrag1")
            )
            with suppress(ValueError):
                viewer.peer.set_credentials(name, "renewed-password-of-22+")
                viewer.fake.ufrag, viewer.fake.pwd = name, "renewed-password-of-22+"
            self._send(viewer.fake, viewer.fake.check)

    def move(self, rng: random.Random) -> None:
        """From another address, more than the plane remembers now and then."""
        if self._viewers:
            fake = rng.choice(self._viewers).fake
            for _ in range(rng.choice((1, 2, 12))):
                with suppress(OSError):
                    self._stack.callback(fake.move().close)
                    fake.is_ended = False
                fake.check(nominate=rng.random() < 0.7)

    def take_over(self, rng: random.Random) -> None:
        """One viewer proves itself from the other's address or connection."""
        if len(self._viewers) > 1:
            one, other = rng.sample(self._viewers, 2)
            one.mix()
            other.mix()
            names = one.fake.ufrag, one.fake.pwd
            one.fake.ufrag, one.fake.pwd = other.fake.ufrag, other.fake.pwd
            self._send(one.fake, one.fake.check)
            one.fake.ufrag, one.fake.pwd = names

    def meet(self, rng: random.Random) -> None:
        """A picture, everybody's reports and a viewer at another's address, all at once."""
        self._ahead_s += rng.choice((1.0, 2.0))
        for _ in range(3):
            self.write(rng)
            self.take_over(rng)

    def leave(self, rng: random.Random) -> None:
        if self._viewers:
            viewer = self._viewers.pop(rng.randrange(len(self._viewers)))
            how = rng.randrange(4)
            if how == 0:
                viewer.peer.close(bye=rng.random() < 0.5)
                viewer.peer.send(b"\x16late")
                self._subscribe(viewer, rng)
            elif how == 1:  # a connection that is reset instead of closed
                with suppress(OSError):
                    linger = struct.pack("ii", 1, 0)
                    viewer.fake.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            if how < 3:
                viewer.fake.close()
                viewer.fake.is_ended = True

    def read(self, rng: random.Random) -> None:
        for viewer in self._viewers:
            if rng.random() < 0.7:
                viewer.fake.poll()
        self._plane.poll()
        self._plane.snapshot()

    # Datagrams

    def check(self, rng: random.Random) -> None:
        for _ in range(rng.choice((1, 10))):
            self._say(rng, lambda fake: nonsense.check(fake.ufrag, fake.pwd, rng))

    def report(self, rng: random.Random) -> None:
        """Authentic, whatever it says."""
        for _ in range(rng.choice((1, 10))):
            self._say(rng, lambda fake: fake._tx.protect_rtcp(nonsense.reports(rng)))

    def forge(self, rng: random.Random) -> None:
        def forged(fake: FakeViewer) -> bytes:
            return nonsense.bent(fake._tx.protect_rtcp(nonsense.reports(rng)), rng)

        for _ in range(rng.choice((1, 10))):
            self._say(rng, forged)

    def replay(self, rng: random.Random) -> None:
        if self._viewers:
            fake = rng.choice(self._viewers).fake
            datagram = fake._tx.protect_rtcp(nonsense.reports(rng))
            for _ in range(3):
                self._send(fake, lambda: fake.send(datagram))

    def ask_again(self, rng: random.Random) -> None:
        """For packets that were there, and those around them."""
        for viewer in self._viewers:
            for ssrc in list(viewer.fake.streams):
                seqs = viewer.fake.seqs(ssrc)[-50:]
                wanted = {(seq + rng.choice((0, 0, 0, 1, -1, 0x8000))) & 0xFFFF for seq in seqs}
                if wanted and rng.random() < 0.7:
                    self._send(viewer.fake, lambda v=viewer, s=ssrc, w=wanted: v.fake.nack(s, *w))

    def babble(self, rng: random.Random) -> None:
        for _ in range(rng.choice((1, 30))):
            self._say(rng, lambda fake: nonsense.noise(rng))

    def publish(self, rng: random.Random) -> None:
        """Media, which of viewers is garbage; now and then more of it than is kept."""
        for _ in range(rng.choice((1, 30))):
            self._say(rng, lambda fake: nonsense.media(rng))
        if self._viewers and rng.random() < 0.1:
            fake, datagram = rng.choice(self._viewers).fake, nonsense.media(rng)[:_FLOOD_BYTES]
            for _ in range(_FLOOD):
                self._send(fake, lambda: fake.send(datagram))

    def take(self, rng: random.Random) -> None:
        for viewer in self._viewers:
            with suppress(ValueError, StateError):  # a viewer; another thread takes
                viewer.peer.take(rng.choice((0, 1, 100, 1 << 40)), rng.choice((-1.0, 0.0, 0.001)))
            assert viewer.peer.datagrams_dropped >= 0

    def dtls(self, rng: random.Random) -> None:
        for _ in range(rng.choice((1, 3))):
            self._say(
                rng, lambda fake: bytes([rng.randrange(20, 64)]) + rng.randbytes(rng.choice(nonsense.SIZES))
            )
        for viewer in self._viewers:
            viewer.peer.send(b"\x16" * rng.choice(nonsense.SIZES))

    def connect(self, rng: random.Random) -> None:
        """Over TCP, by somebody who may or may not be known, in pieces."""
        datagrams = [b"\x16dtls", nonsense.noise(rng) or b"\xff"]
        if self._viewers:
            fake = rng.choice(self._viewers).fake
            datagrams += [nonsense.check(fake.ufrag, fake.pwd, rng) for _ in range(3)]
            datagrams.append(fake._tx.protect_rtcp(nonsense.reports(rng)))
        rng.shuffle(datagrams)
        with suppress(OSError):
            connection = socket.create_connection(self._address, timeout=1)
            self._stack.callback(connection.close)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in nonsense.frames(datagrams, rng):
                connection.send(piece)
            if rng.random() < 0.5:
                connection.close()

    def _say(self, rng: random.Random, make: Callable[[FakeViewer], bytes]) -> None:
        """To the plane, from a viewer or in its name."""
        if self._viewers:
            fake = rng.choice(self._viewers).fake
            datagram = make(fake)
            if rng.random() < 0.2:
                self._stranger.sendto(datagram, self._address)
            elif fake.protocol == "tcp" and rng.random() < 0.5:
                for piece in nonsense.frames([datagram], rng):
                    self._send(fake, lambda piece=piece: fake.socket.send(piece))
            else:
                self._send(fake, lambda: fake.send(datagram))

    @staticmethod
    def _send(fake: FakeViewer, send: Callable[[], object]) -> None:
        if not fake.is_ended:
            with suppress(OSError):  # a full buffer, a connection that was closed
                send()

    # What is around

    def refuse(self, rng: random.Random) -> None:
        """The kernel does not take what it should."""
        error = rng.choice(
            (errno.EAGAIN, errno.EIO, errno.EINVAL, errno.EMSGSIZE, errno.EPERM, errno.ENOBUFS)
        )
        self._plane._fail_sends(error, rng.choice((1, 5, 100)), only_runs=rng.random() < 0.5)
        self._plane._send_one_by_one(rng.random() < 0.5)

    def starve(self, rng: random.Random) -> None:
        """There is no memory for some of what is asked for."""
        self._library.allocations_fail(rng.choice((0, 0, 2, 5, 30)))

    def wait(self, rng: random.Random) -> None:
        self._ahead_s += rng.choice((0.01, 0.5, 1.0, 1.0, 5.0, 11.0, 31.0))

    def set_clock(self, rng: random.Random) -> None:
        """The wall's, which may be set to anything."""
        self._wall_ahead_s = rng.choice((0.0, -1.0, 3600.0, -time.time(), 1e10))

    def end(self, rng: random.Random) -> None:
        """In the middle of everything."""
        if rng.random() < 0.2:
            self._plane.close()
            self.is_over = True

    # Afterwards

    def conclude(self) -> None:
        """New viewers, one on each thread, are served as if nothing had happened."""
        self._library.allocations_fail(0)
        self._plane._fail_sends(0, 0)
        self._plane._send_one_by_one(False)
        feed = self._plane.feed(VIDEO.codec, VIDEO.clock_rate, epoch_s=time.time())
        feed.write(h264_unit(0, keyframe=True))
        for protocol in ("udp", "udp", "tcp"):
            viewer = self._new_viewer(protocol, SrtpProfile.AEAD_AES_256_GCM)
            self._viewers.append(viewer)
            self._prove(viewer.fake)
            viewer.fake.give_keys(viewer.peer)
            viewer.peer.subscribe(feed, video_subscription(_WITNESS_SSRC))
            viewer.fake.wait(lambda f=viewer.fake: any(p.marker for p in f.packets(_WITNESS_SSRC)))  # type: ignore[misc]
            self._hear(protocol)
        for viewer in self._viewers:
            viewer.fake.poll()
            if viewer.is_pure and self._counts_rollovers:
                assert viewer.fake.undecipherable == 0
        self._plane.poll()
        self._plane.snapshot()

    @staticmethod
    def _prove(fake: FakeViewer) -> None:
        """Ask until there is an answer, as browsers do: after a flood a check may be lost."""
        fake.wait(lambda: fake.stun or fake.check())  # type: ignore[func-returns-value]

    def _hear(self, protocol: str) -> None:
        publisher = self._new_viewer(protocol, SrtpProfile.AEAD_AES_256_GCM, collects=True)
        self._prove(publisher.fake)
        said = [b"\x80\x60%d" % number for number in range(20)]
        for datagram in said:
            publisher.fake.send(datagram)
        heard: list[bytes] = []
        while len(heard) < len(said) and (more := publisher.peer.take(len(said), PATIENCE_S)):
            heard += [datagram for datagram, _ in more]
        assert heard == said


#: The frequent ones more than once.
STEPS = ("open_feed", "write", "write", "write_strangely_timed", "close_feed", "join", "join", "subscribe")
STEPS += (
    "rekey",
    "restart",
    "move",
    "take_over",
    "leave",
    "read",
    "read",
    "check",
    "check",
    "report",
    "report",
)
STEPS += ("forge", "replay", "ask_again", "babble", "dtls", "connect", "connect", "refuse", "wait", "end")
STEPS += ("crowd", "set_clock", "starve", "meet", "meet", "publish", "publish", "take")


def run(episode: Episode) -> None:
    """Let it happen.

    Raises:
        AssertionError: see `World`.
    """
    with watching(), ExitStack() as stack:
        world = World(episode.seed, stack)
        for name, seed in episode.steps:
            with suppress(MemoryError):  # see `starve`
                getattr(world, name)(random.Random(seed))
            if world.is_over:
                return
        world.conclude()
