"""A plane on a bench: its clock, and viewers around it over real sockets."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from tests.fakes.viewer import PATIENCE_S, FakeViewer
from transport.media import AccessUnit, Codec
from transport.plane import bind_sockets
from transport.plane.interface import COUNTERS, Event, Feed, Peer, Plane, PlaneOptions, Subscription
from transport.rtp.depacketize import Depacketizer
from transport.rtp.header import RtpPacket

Sockets: TypeAlias = list[socket.socket]
Clock: TypeAlias = Callable[[], float]

VIDEO_SSRC, RTX_SSRC, AUDIO_SSRC = 0x1000, 0x1001, 0x2000


class FakeClock:
    """Runs with the real one, and can be set forward."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._ahead_s

    def advance(self, seconds: float) -> None:
        self._ahead_s += seconds


@dataclass(frozen=True, slots=True)
class _Hold:
    reached: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


class HeldClock:
    """A clock. A plane's thread that asks for the time, in the middle of what it does, can be held there."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._holds: dict[str, _Hold] = {}

    def __call__(self) -> float:
        if hold := self._holds.get(threading.current_thread().name):
            hold.reached.release()
            assert hold.go.acquire(timeout=PATIENCE_S)
        return self._clock()

    def hold(self, thread: str) -> None:
        """From the next time on."""
        self._holds[thread] = _Hold()

    def wait(self, thread: str) -> None:
        """Until it is there."""
        assert self._holds[thread].reached.acquire(timeout=PATIENCE_S)

    def step(self, thread: str) -> None:
        """On to where it asks again."""
        self._holds[thread].go.release()
        self.wait(thread)

    def let_go(self) -> None:
        """All of them; nobody is held any more."""
        while self._holds:
            self._holds.popitem()[1].go.release()


def units_of(packets: list[RtpPacket]) -> list[bytes]:
    """Whole access units among these packets."""
    depacketizer = Depacketizer(Codec.H264)
    return [unit.data for packet in packets if (unit := depacketizer.push(packet)) is not None]


def assert_contiguous(seqs: list[int]) -> None:
    assert all((a + 1) & 0xFFFF == b for a, b in pairwise(seqs))


class Bench:
    """A plane, its clock, and viewers that are closed at the end."""

    def __init__(
        self,
        open_plane: Callable[[Sockets, Sockets, PlaneOptions, Clock], Plane],
        options: PlaneOptions,
        stack: ExitStack,
        host: str = "127.0.0.1",
    ) -> None:
        self.clock = FakeClock()
        udp, tcp = bind_sockets(host, 0)
        self.address: tuple[str, int] = ("127.0.0.1", udp[0].getsockname()[1])
        self.plane = open_plane(udp, tcp, options, self.clock)
        stack.callback(self.plane.close)
        self.events: list[Event] = []
        self._stack = stack
        self._count = 0

    def feed(self, codec: Codec = Codec.H264, epoch_s: float | None = None) -> Feed:
        clock_rate = 90_000 if codec.is_video else 48_000
        return self.plane.feed(codec, clock_rate, epoch_s=time.time() if epoch_s is None else epoch_s)

    def peer(self, *, collects: bool = False, **options: object) -> tuple[Peer, FakeViewer]:
        """A peer and its viewer (or publisher), which has not said anything yet."""
        self._count += 1
        ufrag, pwd = f"ufrag{self._count}", f"password-of-twenty-two-{self._count}"
        peer = self.plane.peer(ufrag, pwd, collects=collects)
        viewer = FakeViewer(self.address, ufrag, pwd, **options)  # type: ignore[arg-type]
        self._stack.callback(viewer.close)
        return peer, viewer

    def join(self, *feeds: tuple[Feed, Subscription], **options: object) -> tuple[Peer, FakeViewer]:
        """A viewer with address and keys, subscribed."""
        peer, viewer = self.peer(**options)
        viewer.connect()
        viewer.give_keys(peer)
        for feed, subscription in feeds:
            peer.subscribe(feed, subscription)
        return peer, viewer

    def counters(self, peer: Peer) -> dict[str, float]:
        (row,) = [row for row in self.plane.snapshot() if row["peer_id"] == peer.id]
        return {name: row[name].item() for name in COUNTERS.names or ()}

    def counters_of_all(self, name: str) -> float:
        return float(self.plane.snapshot()[name].sum())

    def poll(self) -> list[Event]:
        self.events += self.plane.poll()
        return self.events

    def wait_for_event(self, kind: type, count: int = 1) -> list[Event]:
        end = time.monotonic() + PATIENCE_S
        while len(found := [event for event in self.poll() if isinstance(event, kind)]) < count:
            assert time.monotonic() < end, f"no {kind.__name__}"
            select.select([self.plane.fileno()], [], [], 0.1)
        return found


def write_all(feed: Feed, units: list[AccessUnit]) -> None:
    for unit in units:
        feed.write(unit)
