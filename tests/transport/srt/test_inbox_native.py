"""Threads that look for each other, without libsrt: what is due is decided by the test."""

from __future__ import annotations

import ctypes
import random
import threading
from collections import deque

import pytest

from transport.srt.abi import EPOLL_ERR, EPOLL_IN, Errno, Option
from transport.srt.inbox import MOST_MESSAGES
from transport.srt.inbox_native import NativeInbox

_LONG_S = 60.0
_MESSAGE_BYTES = 100
_INTERVAL_S = 0.0002
_CONNECTION_LOST = 2001


class _Library:
    """The three functions of libsrt, over queues."""

    def __init__(self) -> None:
        self.messages: dict[int, deque[bytes]] = {}
        self.ended: set[int] = set()
        self._thread = threading.local()
        # Referred to, so that they live as long as their addresses are used.
        self._functions = (
            ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(
                self._flag
            ),
            ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_int)(self._receive),
            ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(self._last_error),
        )

    def open(self, socket: int) -> NativeInbox:
        """The inbox of a connection that is new."""
        self.messages[socket] = deque()
        flag, receive, error = (ctypes.cast(each, ctypes.c_void_p).value or 0 for each in self._functions)
        return NativeInbox(
            (flag, receive, error),
            socket,
            (int(Option.EVENT), EPOLL_IN | EPOLL_ERR),
            int(Errno.WOULD_BLOCK),
            _MESSAGE_BYTES,
            _INTERVAL_S,
            MOST_MESSAGES,
        )

    def _flag(self, socket: int, option: int, value: int, length: int) -> int:
        if socket in self.ended and not self.messages[socket]:
            return -1
        ctypes.c_int.from_address(value).value = EPOLL_IN if self.messages[socket] else 0
        return 0

    def _receive(self, socket: int, buffer: int, size: int) -> int:
        if not self.messages[socket]:
            self._thread.error = _CONNECTION_LOST if socket in self.ended else int(Errno.WOULD_BLOCK)
            return -1
        message = self.messages[socket].popleft()
        ctypes.memmove(buffer, message, len(message))
        return len(message)

    def _last_error(self, _: int) -> int:
        error: int = self._thread.error
        return error


class _Reader(threading.Thread):
    """Takes one connection's messages until it ends or is stopped."""

    def __init__(self, library: _Library, socket: int, seconds: float) -> None:
        super().__init__()
        self.inbox = library.open(socket)
        self.socket = socket
        self.received: list[bytes] = []
        self.is_stopped = False
        self._seconds = seconds

    def run(self) -> None:
        is_over = False
        while not is_over and not self.is_stopped:
            messages, is_over = self.inbox.wait(3, self._seconds)
            self.received += messages

    def stop(self) -> None:
        self.is_stopped = True
        self.inbox.stop()


@pytest.mark.parametrize("seed", range(3))
def test_whoever_looks_may_leave_at_any_moment(seed: int) -> None:
    """Some connections end, some are stopped, some look every now and then; new ones take their places."""
    rng = random.Random(seed)
    library = _Library()
    readers: list[_Reader] = []
    sent: dict[int, list[bytes]] = {}
    finished: list[_Reader] = []

    def finish(reader: _Reader) -> None:
        if rng.random() < 0.5:
            library.ended.add(reader.socket)
        else:
            reader.stop()
        reader.join(_LONG_S)
        assert not reader.is_alive()
        finished.append(reader)

    for number in range(400):
        if len(readers) < 6:
            reader = _Reader(library, number, rng.choice((0.0, 0.001, _LONG_S)))
            sent[number] = []
            readers.append(reader)
            reader.start()
        if rng.random() < 0.1:
            finish(readers.pop(rng.randrange(len(readers))))
        for reader in rng.sample(readers, rng.randrange(len(readers) + 1)):
            message = rng.randbytes(rng.randrange(1, _MESSAGE_BYTES + 1))
            sent[reader.socket].append(message)
            library.messages[reader.socket].append(message)
    for reader in readers:
        finish(reader)
    for reader in finished:
        kept = list(library.messages[reader.socket])
        assert reader.received + kept == sent[reader.socket]
        assert reader.is_stopped or not kept


def test_a_stop_is_seen_by_whoever_looks_and_by_those_it_looks_for() -> None:
    library = _Library()
    readers = [_Reader(library, socket, _LONG_S) for socket in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.stop()
        reader.join(_LONG_S)
        assert not reader.is_alive()
