"""The wait for one SRT connection's messages.

Waiting inside libsrt instead would wake a thread for every packet; would lose a message when the peer leaves
(1.5.1 takes it from the buffer and then reports the loss of the connection); and its epoll wakes every waiter
for every socket. So the inbox looks every few milliseconds: `inbox_native.pyx` without Python's lock, one
thread for all that wait, which spares each of sixteen publishers of 2.5 Mb/s 4 of 17 ms of CPU a second;
where that was not compiled, `PolledInbox` does the same, each for itself.
"""

from __future__ import annotations

import ctypes
import threading
import time
from typing import Final, Protocol

from transport.srt.abi import EPOLL_ERR, EPOLL_IN, Errno, Option
from transport.srt.libsrt import Libsrt
from transport.srt.options import MAX_PAYLOAD_BYTES

try:
    from transport.srt.inbox_native import NativeInbox
except ImportError:  # it was not compiled on this machine
    _HAS_NATIVE = False
else:
    _HAS_NATIVE = True

INTERVAL_S: Final = 0.004
MOST_MESSAGES: Final = 64


class Inbox(Protocol):
    """One connection's messages; its RCVSYN is off. One thread waits, any may stop it."""

    def wait(self, most: int, seconds: float) -> tuple[list[bytes], bool]:
        """Wait until messages are due, it is over, the time has passed or somebody called `stop`.

        Args:
            most: take so many at once, 1 to `MOST_MESSAGES`.
            seconds: how long; looks once even if it is 0 or less.

        Returns:
            Messages in order, and whether libsrt calls the connection over.
        """

    def stop(self) -> None:
        """End the wait within `INTERVAL_S`, and every later one after one look."""


def open_inbox(library: Libsrt, socket: int) -> Inbox:
    """The best inbox that works on this machine."""
    if not _HAS_NATIVE:
        return PolledInbox(library, socket)
    return NativeInbox(
        (
            library.address("srt_getsockflag"),
            library.address("srt_recvmsg"),
            library.address("srt_getlasterror"),
        ),
        socket,
        (int(Option.EVENT), EPOLL_IN | EPOLL_ERR),
        int(Errno.WOULD_BLOCK),
        MAX_PAYLOAD_BYTES,
        INTERVAL_S,
        MOST_MESSAGES,
    )


class PolledInbox(Inbox):
    """In Python."""

    def __init__(self, library: Libsrt, socket: int) -> None:
        self._library = library
        self._socket = socket
        # Held until `stop`: to wait for it costs a fifth of what an Event's wait does.
        self._gate = threading.Lock()
        self._gate.acquire()
        self._buffer = ctypes.create_string_buffer(MAX_PAYLOAD_BYTES)
        self._view = memoryview(self._buffer).cast("B")
        self._is_due = library.due_now(socket)

    def stop(self) -> None:
        """As in `Inbox`; once."""
        self._gate.release()

    def wait(self, most: int, seconds: float) -> tuple[list[bytes], bool]:
        """As in `Inbox`."""
        if not 1 <= most <= MOST_MESSAGES:
            raise ValueError(f"{most} messages, expected 1 to {MOST_MESSAGES}")
        until = time.monotonic() + seconds
        while True:
            messages, is_over = self._take(most)
            if messages or is_over or time.monotonic() >= until:
                return messages, is_over
            if self._gate.acquire(timeout=INTERVAL_S):
                self._gate.release()
                return [], False

    def _take(self, most: int) -> tuple[list[bytes], bool]:
        messages: list[bytes] = []
        receive, socket, buffer, view = self._library.recvmsg_now, self._socket, self._buffer, self._view
        is_due = self._is_due
        while len(messages) < most and is_due():
            if (length := receive(socket, buffer, MAX_PAYLOAD_BYTES)) <= 0:
                return messages, self._library.last_error_now() != Errno.WOULD_BLOCK
            messages.append(bytes(view[:length]))
        return messages, False
