"""What the thread that reads hands to another one, which is busy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.fakes.viewer import PATIENCE_S, FakeViewer
from tests.transport.plane.bench import Bench, Clock, HeldClock, Sockets
from transport.plane.interface import AddressLearned, Peer, Plane, PlaneOptions
from transport.plane.native import NativePlane

#: Datagrams that may wait for a thread: of one viewer, of all.
_EACH, _ALL = 64, 1024
_AT_ONCE = 100


class TwoThreads:
    """A plane whose second thread can be held; the first one reads.

    Attributes:
        near_viewer: the first thread's.
        far, far_viewer, other_viewer: the second one's.
    """

    def __init__(self, stack: ExitStack) -> None:
        self.bench = Bench(self._open, PlaneOptions(threads=2), stack)
        stack.callback(self.let_go)
        self.far, self.far_viewer = self._join()
        _, self.near_viewer = self._join()
        _, self.other_viewer = self._join()
        self.bench.wait_for_event(AddressLearned, 3)

    def _open(self, udp: Sockets, tcp: Sockets, options: PlaneOptions, clock: Clock) -> Plane:
        self._clock = HeldClock(clock)
        self.plane = NativePlane(udp, tcp, options, self._clock)
        return self.plane

    def _join(self) -> tuple[Peer, FakeViewer]:
        peer, viewer = self.bench.peer()
        viewer.connect()
        return peer, viewer

    def hold(self) -> None:
        """The second thread, until `let_go`."""
        self._clock.hold("plane-1")
        assert self._clock.held.acquire(timeout=PATIENCE_S)

    def let_go(self) -> None:
        self._clock.let_go(for_good=True)

    def flood(self, viewer: FakeViewer, datagram: bytes, count: int) -> None:
        """Send it so often, and return when all of them were read."""
        for n in range(count):
            viewer.send(datagram)
            if n % _AT_ONCE == 0:
                self.near_viewer.connect()  # answered in order
        self.near_viewer.connect()


@pytest.fixture
def threads() -> Iterator[TwoThreads]:
    with ExitStack() as stack:
        yield TwoThreads(stack)


@pytest.mark.parametrize("datagram", [b"\x80\x60nonsense", b"\x80\xc9nonsense", b"\xff"])
def test_nobody_takes_all_the_room_there_is_for_what_another_thread_is_to_have(
    threads: TwoThreads, datagram: bytes
) -> None:
    threads.hold()
    threads.flood(threads.far_viewer, datagram, _ALL + 100)
    answers = len(threads.other_viewer.stun)
    threads.other_viewer.check()
    threads.near_viewer.connect()
    # What found no room is counted, at once.
    assert threads.plane.garbage == _ALL + 100 - _EACH
    threads.let_go()
    threads.other_viewer.wait(lambda: len(threads.other_viewer.stun) > answers)
    # There is room again for whoever had too much.
    threads.far_viewer.connect()


def test_a_viewer_is_told_that_its_address_is_anothers_however_much_waits(threads: TwoThreads) -> None:
    viewer, near = threads.far_viewer, threads.near_viewer
    with viewer.move() as first, viewer.socket as second, near.socket:
        viewer.connect(nominate=False)
        threads.hold()
        threads.flood(viewer, b"\x80\x60nonsense", _ALL + 100)
        for taken in (second, first):  # what is not in use, and what is
            near.socket = taken
            near.connect()
        threads.let_go()
        near.wait(lambda: threads.far.address is None)
    moves = [e for e in threads.bench.poll() if isinstance(e, AddressLearned) and e.peer is threads.far]
    assert len(moves) == 1  # to where it began
