from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from transport.rtsp.batch import Framed
from transport.rtsp.sharedsocket import SharedSocket

#: More than a pair of sockets holds.
LARGE = 4 << 20


def message(number: int, data: bytes) -> Framed:
    return Framed(number, data, units=2, packets=3, payload_bytes=len(data))


class Pair:
    def __init__(self) -> None:
        self.now = 100.0
        self.rings = 0
        here, self.there = socket.socketpair()
        here.setblocking(False)
        self._here = here
        self.there.settimeout(20)
        self.shared = SharedSocket(here, self._ring, clock=lambda: self.now)

    def _ring(self) -> None:
        self.rings += 1

    def receive(self, size: int) -> bytes:
        """So much, while the other side goes on sending."""
        found = b""
        while len(found) < size:
            self.shared.flush()
            found += self.there.recv(size - len(found))
        return found

    def close(self) -> None:
        self._here.close()
        self.there.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


def test_what_the_network_takes_goes_out_at_once(pair: Pair) -> None:
    assert pair.shared.put(message(1, b"one"), message(2, b"two")) == 0
    assert pair.there.recv(100) == b"onetwo"
    assert (pair.rings, pair.shared.is_waiting) == (0, False)
    assert (pair.shared.bytes_sent, pair.shared.packets_sent, pair.shared.payload_bytes_sent) == (6, 6, 6)


def test_of_nothing_nothing_is_sent(pair: Pair) -> None:
    """As where a client did not set up any of a batch's tracks."""
    assert pair.shared.put(message(1, b"")) == 0
    pair.shared.answer(b"")
    assert not pair.shared.is_waiting


def test_the_rest_waits_and_nothing_is_mixed_into_it(pair: Pair) -> None:
    first = bytes(range(256)) * (LARGE // 256)
    pair.shared.put(message(1, first))
    assert (pair.rings, pair.shared.is_waiting) == (1, True)
    pair.shared.answer(b"RTSP/1.0 200 OK")
    pair.shared.put(message(2, b"two"))
    assert pair.rings == 1  # who flushes knows already
    assert pair.receive(LARGE + 18) == first + b"RTSP/1.0 200 OK" + b"two"
    assert not pair.shared.is_waiting


def test_who_is_far_behind_loses_what_waits_but_no_answer_and_no_half(pair: Pair) -> None:
    first = bytes(LARGE)
    pair.shared.put(message(1, first))
    pair.shared.put(message(2, b"two"))
    pair.shared.answer(b"answer")
    pair.now += pair.shared.max_wait_s + 1
    assert pair.shared.put(message(3, b"three")) == 4  # units of the second and the third
    assert pair.shared.packets_sent == 3
    assert pair.receive(LARGE + 6) == first + b"answer"
    assert pair.shared.put(message(4, b"four")) == 0
    assert pair.there.recv(100) == b"four"


def test_what_waits_can_be_taken_back(pair: Pair) -> None:
    pair.shared.put(message(1, bytes(LARGE)), message(2, b"two"), message(3, b"three"))
    assert [each.number for each in pair.shared.drop()] == [2, 3]
    assert pair.receive(LARGE) == bytes(LARGE)
    assert not pair.shared.is_waiting


def test_who_flushes_is_told_that_it_broke(pair: Pair) -> None:
    pair.there.close()
    assert pair.shared.put(message(1, b"one")) == 0
    assert (pair.rings, pair.shared.is_waiting) == (1, True)
    with pytest.raises(OSError, match="Broken pipe"):
        pair.shared.flush()


def test_receiving_does_not_wait(pair: Pair) -> None:
    assert pair.shared.receive(100) is None
    pair.there.sendall(b"PLAY")
    assert pair.shared.receive(100) == b"PLAY"
    pair.there.close()
    assert pair.shared.receive(100) == b""
