"""All steps of an episode, and what must hold when it is over."""

from __future__ import annotations

import errno
import random
import time
from contextlib import ExitStack, suppress

from tests.fakes.media import VIDEO, h264_unit
from tests.fakes.nonces import watching
from tests.fakes.viewer import PATIENCE_S, FakeViewer, video_subscription
from tests.fuzz.datagrams import Datagrams
from tests.fuzz.episode import Episode
from tests.fuzz.feeds import Feeds
from tests.fuzz.viewers import Viewers
from transport.plane.interface import SrtpProfile

_WITNESS_SSRC = 0x9000


class World(Feeds, Viewers, Datagrams):
    """Runs episodes.

    Raises:
        AssertionError: afterwards a new viewer is not served or a new publisher not heard, a packet is
            unreadable, a nonce came twice, or somebody still waits for a publisher.
    """

    # What is around

    def meet(self, rng: random.Random) -> None:
        """A picture, everybody's reports and a viewer at another's address, all at once."""
        self._ahead_s += rng.choice((1.0, 2.0))
        for _ in range(3):
            self.write(rng)
            self.take_over(rng)

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
        for protocol in ("udp", "tcp"):
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


#: The frequent ones more than once, most of all what makes the plane encrypt.
STEPS = ("open_feed", "write", "write", "write", "write_strangely_timed", "close_feed", "join", "join")
STEPS += ("subscribe", "subscribe", "rekey", "restart", "move", "take_over", "leave", "read", "read", "check")
STEPS += (
    "check",
    "report",
    "report",
    "forge",
    "replay",
    "ask_again",
    "ask_again",
    "babble",
    "dtls",
    "connect",
)
STEPS += (
    "connect",
    "refuse",
    "wait",
    "end",
    "crowd",
    "set_clock",
    "starve",
    "meet",
    "meet",
    "meet",
    "publish",
)
STEPS += ("take",)


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
