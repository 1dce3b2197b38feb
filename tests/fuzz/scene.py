"""A plane with late threads, its viewers and strangers; the steps are in the classes built on this one."""

from __future__ import annotations

import ctypes
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

from tests.fakes.nonces import NonceWatch
from tests.fakes.viewer import FakeViewer
from tests.fuzz import nonsense
from tests.fuzz.taker import Taker
from transport.media import Track
from transport.plane import bind_sockets, native
from transport.plane.interface import Feed, Peer, PlaneOptions, SrtpProfile

#: How often one of the plane's threads is late where it asks for the time, as if others had the processor.
_LATE_SHARE = 0.02
#: Of the wall it is asked in the middle of everything, before a report.
_LATE_REPORTS = 0.3


class Viewer:
    """A viewer and what may be said of it at the end."""

    def __init__(self, peer: Peer, fake: FakeViewer, *, collects: bool) -> None:
        self.peer = peer
        self.fake = fake
        #: It is a publisher.
        self.collects = collects
        #: Nobody changed its keys or sent it what was for another.
        self.is_pure = True

    def mix(self) -> None:
        """From now on packets of several keys may arrive; only the plane itself can be watched then."""
        self.is_pure = False
        self.fake.nonces = _Blind()


class _Blind(NonceWatch):
    def _see(self, nonce: tuple[bytes, str, int, int], datagram: bytes, number: str) -> None:
        pass


class Scene:
    """What steps have in common.

    Args:
        seed: of the plane's options.
        stack: closes everything.
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
        self._viewers: list[Viewer] = []
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

    def _new_viewer(self, protocol: str, profile: SrtpProfile, *, collects: bool = False) -> Viewer:
        self._count += 1
        ufrag, pwd = f"ufrag{self._count}", f"password-of-twenty-two-{self._count}"
        peer = self._plane.peer(ufrag, pwd, collects=collects)
        fake = FakeViewer(self._address, ufrag, pwd, protocol=protocol, profile=profile)
        self._stack.callback(fake.close)
        return Viewer(peer, fake, collects=collects)
