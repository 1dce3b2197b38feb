"""A thread that takes what one publisher sends, until nothing can come any more."""

from __future__ import annotations

import random
import threading
from contextlib import suppress

from transport.errors import StateError
from transport.plane.interface import Peer

#: How long it waits at a time; the last one is over when the publisher or the plane is. It is the usual one:
#: looking all the time costs the other threads theirs.
_WAITS_S = (0.0, 0.001) + 6 * (3600.0,)
_PAUSES_S = (0.0, 0.005)
_PATIENCE_S = 60.0


class Taker(threading.Thread):
    """Takes more or less at a time, waits more or less long for it, and goes on beside others."""

    def __init__(self, peer: Peer, seed: int) -> None:
        super().__init__(daemon=True)
        self._peer = peer
        self._rng = random.Random(seed)
        self._is_stopped = threading.Event()
        self._strange: list[bytes] = []
        self.start()

    def run(self) -> None:
        while not self._is_stopped.is_set():
            with suppress(StateError):  # somebody else takes
                taken = self._peer.take(*map(self._rng.choice, ((1, 7, 5000), _WAITS_S, _PAUSES_S)))
                self._strange += [each for each, _ in taken if not _may_be_media(each)]
            self._is_stopped.wait(0.001)

    def end(self) -> None:
        """After the plane was closed.

        Raises:
            AssertionError: it waits for what cannot come, or something else than RTP and RTCP came.
        """
        self._is_stopped.set()
        self.join(_PATIENCE_S)
        assert not self.is_alive()
        assert self._strange == []


def _may_be_media(datagram: bytes) -> bool:
    return 1 < len(datagram) <= 2048 and 128 <= datagram[0] < 192
