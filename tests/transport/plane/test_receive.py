"""What the thread that reads hands to another one, which is busy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.fakes.viewer import FakeViewer
from tests.transport.plane.bench import Bench, Clock, HeldClock, Sockets
from transport.plane.interface import AddressLearned, DtlsReceived, Peer, Plane, PlaneOptions
from transport.plane.native import NativePlane

#: Datagrams that may wait for a thread: of one viewer, of all.
_EACH, _ALL = 64, 1024
_AT_ONCE = 100
#: From as many on, what viewers send is read a moment later.
_MANY = 64
_READS, _OTHER = "plane-0", "plane-1"


class TwoThreads:
    """A plane whose threads can be held; the first one reads.

    Attributes:
        near_viewer: the first thread's.
        far, far_viewer, other_viewer: the second one's.
    """

    def __init__(self, stack: ExitStack, others: int = 0) -> None:
        self.bench = Bench(self._open, PlaneOptions(threads=2), stack)
        stack.callback(self.clock.let_go)
        for n in range(2 * others):
            self.plane.peer(f"idle{n}", "password-of-twenty-two-chars")
        (self.far, self.far_viewer), (_, self.near_viewer), (_, self.other_viewer) = self._join_three()
        self.bench.wait_for_event(AddressLearned, 3)

    def _open(self, udp: Sockets, tcp: Sockets, options: PlaneOptions, clock: Clock) -> Plane:
        self.clock = HeldClock(clock)
        self.plane = NativePlane(udp, tcp, options, self.clock)
        return self.plane

    def _join_three(self) -> list[tuple[Peer, FakeViewer]]:
        joined = [self.bench.peer() for _ in range(3)]
        for _, viewer in joined:
            viewer.connect()
        return joined

    def hold(self, thread: str) -> None:
        """Until the clock lets it go."""
        self.clock.hold(thread)
        self.clock.wait(thread)

    def flood(self, viewer: FakeViewer, datagram: bytes, count: int) -> None:
        """Send it so often, and return when all of them were read."""
        for n in range(count):
            viewer.send(datagram)
            if n % _AT_ONCE == 0:
                self.near_viewer.connect()  # answered in order
        self.near_viewer.connect()

    def read(self) -> None:
        """Let the first thread, which is held, read once what was sent."""
        answers = len(self.near_viewer.stun)
        self.near_viewer.check()
        while len(self.near_viewer.stun) == answers:
            self.clock.step(_READS)
            self.near_viewer.poll()


@pytest.fixture
def threads() -> Iterator[TwoThreads]:
    with ExitStack() as stack:
        yield TwoThreads(stack)


@pytest.fixture
def crowded() -> Iterator[TwoThreads]:
    """Both are held."""
    with ExitStack() as stack:
        crowded = TwoThreads(stack, _MANY)
        crowded.far_viewer.give_keys(crowded.far)
        crowded.far.send(b"\x16wake up")  # which keys alone are no reason for
        crowded.far_viewer.wait(lambda: crowded.far_viewer.dtls)
        for name in (_OTHER, _READS):
            crowded.hold(name)
        yield crowded


@pytest.mark.parametrize("datagram", [b"\x80\x60nonsense", b"\x80\xc9nonsense", b"\xff"])
def test_nobody_takes_all_the_room_there_is_for_what_another_thread_is_to_have(
    threads: TwoThreads, datagram: bytes
) -> None:
    threads.hold(_OTHER)
    threads.flood(threads.far_viewer, datagram, _ALL + 100)
    answers = len(threads.other_viewer.stun)
    threads.other_viewer.check()
    threads.near_viewer.connect()
    # What found no room is counted, at once.
    assert threads.plane.garbage == _ALL + 100 - _EACH
    threads.clock.let_go()
    threads.other_viewer.wait(lambda: len(threads.other_viewer.stun) > answers)
    # There is room again for whoever had too much.
    threads.far_viewer.connect()


def test_a_viewer_is_told_that_its_address_is_anothers_however_much_waits(threads: TwoThreads) -> None:
    viewer, near = threads.far_viewer, threads.near_viewer
    with viewer.move() as first, viewer.socket as second, near.socket:
        viewer.connect(nominate=False)
        threads.hold(_OTHER)
        threads.flood(viewer, b"\x80\x60nonsense", _ALL + 100)
        for taken in (second, first):  # what is not in use, and what is
            near.socket = taken
            near.connect()
        threads.clock.let_go()
        near.wait(lambda: threads.far.address is None)
    moves = [e for e in threads.bench.poll() if isinstance(e, AddressLearned) and e.peer is threads.far]
    assert len(moves) == 1  # to where it began


def test_what_can_wait_for_the_other_thread_to_come_by_itself_waits_for_the_next_read(
    crowded: TwoThreads,
) -> None:
    woken, answers = crowded.plane.wakes, len(crowded.far_viewer.stun)
    crowded.far_viewer.send_rtcp()
    crowded.far_viewer.check()
    crowded.read()
    assert crowded.plane.wakes == woken
    crowded.read()
    assert crowded.plane.wakes == woken + 1
    crowded.far_viewer.send_rtcp()
    crowded.read()
    crowded.read()
    assert crowded.plane.wakes == woken + 1  # it has not come yet
    crowded.clock.let_go()
    crowded.far_viewer.wait(lambda: len(crowded.far_viewer.stun) == answers + 1)


def test_who_joins_does_not_wait(crowded: TwoThreads) -> None:
    woken, answers = crowded.plane.wakes, len(crowded.other_viewer.stun)
    crowded.other_viewer.check()
    crowded.read()
    assert crowded.plane.wakes == woken + 1
    crowded.clock.let_go()
    crowded.other_viewer.wait(lambda: len(crowded.other_viewer.stun) == answers + 1)


def test_a_handshake_does_not_wait(crowded: TwoThreads) -> None:
    woken = crowded.plane.wakes
    crowded.far_viewer.send(b"\x16hello")
    crowded.read()
    assert crowded.plane.wakes == woken + 1
    crowded.clock.let_go()
    (event,) = crowded.bench.wait_for_event(DtlsReceived)
    assert event == DtlsReceived(crowded.far, b"\x16hello")


def test_where_few_watch_nothing_waits(threads: TwoThreads) -> None:
    threads.far_viewer.give_keys(threads.far)
    threads.far.send(b"\x16wake up")
    threads.far_viewer.wait(lambda: threads.far_viewer.dtls)
    for name in (_OTHER, _READS):
        threads.hold(name)
    woken = threads.plane.wakes
    threads.far_viewer.send_rtcp()
    threads.read()
    assert threads.plane.wakes == woken + 1
