"""A client's socket, on which one thread talks with the client and another sends what all of them get."""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from transport.rtsp.batch import Framed

#: Twice what a new client gets at once, at most.
_MAX_WAITING_BYTES = 64 * 1024 * 1024
#: One call takes so much of what waits.
_PIECES, _TLS_WRITE_BYTES = 64, 64 * 1024

_NOT_NOW = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class _Waiting(NamedTuple):
    data: bytes | memoryview
    framed: Framed | None  # an answer is none
    since: float


class SharedSocket:
    """Sends and receives without waiting. Thread-safe.

    Messages go out whole and in order: whoever brings one sends it, as far as the network takes it and none
    waits before it; what is left is for the next `flush`. Those that several clients get are not copied. In
    TLS, sending and receiving exclude each other, as they meet in one state.

    Args:
        sock: which does not block from the first call on.
        on_waiting: called when something begins to wait for `flush`; must return at once.
        clock: monotonic seconds.

    Attributes:
        max_wait_s: of messages; who is further behind will not catch up.
        bytes_sent: without TLS's own.
        packets_sent: of media, that are on their way.
        payload_bytes_sent: of these.
        moved_at: when the network took something last.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_waiting: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_wait_s = 10.0
        self.bytes_sent = 0
        self.packets_sent = 0
        self.payload_bytes_sent = 0
        self.moved_at = clock()
        self._sock = sock
        self._is_secure = isinstance(sock, ssl.SSLSocket)
        self._on_waiting = on_waiting
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._error: Exception | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether `flush` has something to do once the network takes more; or an error to tell of."""
        return bool(self._waiting) or self._error is not None

    @property
    def is_readable_at_once(self) -> bool:
        """TLS has read more from the network than was asked for."""
        if not isinstance(self._sock, ssl.SSLSocket):
            return False
        with self._lock:
            return self._sock.pending() > 0

    def answer(self, data: bytes) -> None:
        """Queue what is for this client alone; it is never left out."""
        with self._lock:
            self._append(data, None, self._clock())

    def put(self, *messages: Framed) -> int:
        """Send what others get too; where there is no room, it and what waits before it is left out.

        Returns:
            How many units were left out.
        """
        with self._lock:
            now = self._clock()
            is_first = not self._waiting
            if not is_first and self._is_full(now, sum(len(message.data) for message in messages)):
                return sum(each.units for each in self._drop()) + sum(each.units for each in messages)
            for message in messages:
                self._append(message.data, message, now)
                self.packets_sent += message.packets
                self.payload_bytes_sent += message.payload_bytes
            if is_first:
                self._try_to_send()
                if self._waiting or self._error is not None:
                    self._on_waiting()
        return 0

    def drop(self) -> list[Framed]:
        """Leave out what waits, but for answers and what may have begun."""
        with self._lock:
            return self._drop()

    def flush(self) -> None:
        """Send what waits, as far as the network takes it.

        Raises:
            OSError: the connection broke, now or when somebody else sent.
            ValueError: it is closed.
        """
        with self._lock:
            if self._error is None:
                self._try_to_send()
            if self._error is not None:
                raise self._error

    def receive(self, max_bytes: int) -> bytes | None:
        """What came, b"" when the client hung up, None where nothing did.

        Raises:
            OSError: the connection broke.
            ValueError: it is closed.
        """
        if not self._is_secure:
            return self._receive(max_bytes)
        with self._lock:
            return self._receive(max_bytes)

    def _receive(self, max_bytes: int) -> bytes | None:
        try:
            return self._sock.recv(max_bytes)
        except _NOT_NOW:
            return None

    def _is_full(self, now: float, size: int) -> bool:
        has_waited_s = now - self._waiting[0].since
        return has_waited_s > self.max_wait_s or self._waiting_bytes + size > _MAX_WAITING_BYTES

    def _append(self, data: bytes, framed: Framed | None, now: float) -> None:
        if not data:  # nothing of the tracks that are taken
            return
        self._waiting.append(_Waiting(data, framed, now))
        self._waiting_bytes += len(data)

    def _drop(self) -> list[Framed]:
        if not self._waiting:
            return []
        head, *rest = self._waiting
        self._waiting = deque([head, *(each for each in rest if each.framed is None)])
        self._waiting_bytes = sum(len(each.data) for each in self._waiting)
        dropped = [each.framed for each in rest if each.framed is not None]
        self.packets_sent -= sum(each.packets for each in dropped)
        self.payload_bytes_sent -= sum(each.payload_bytes for each in dropped)
        return dropped

    def _try_to_send(self) -> None:
        waiting = self._waiting
        try:
            while waiting:
                data = waiting[0].data
                if self._is_secure:
                    # What it did not take has to be the same when it is tried again.
                    part = memoryview(data)[:_TLS_WRITE_BYTES]
                    offered, sent = len(part), self._sock.send(part)
                elif len(waiting) == 1:
                    offered, sent = len(data), self._sock.send(data)
                else:
                    pieces = [each.data for each in itertools.islice(waiting, _PIECES)]
                    offered, sent = sum(map(len, pieces)), self._sock.sendmsg(pieces)
                self._take_off(sent)
                if sent < offered:
                    return
        except _NOT_NOW:
            pass
        except (OSError, ValueError) as error:
            self._error = error

    def _take_off(self, sent: int) -> None:
        self.bytes_sent += sent
        self.moved_at = self._clock()
        self._waiting_bytes -= sent
        while sent:
            head = self._waiting.popleft()
            if sent < len(head.data):
                self._waiting.appendleft(head._replace(data=memoryview(head.data)[sent:]))
                return
            sent -= len(head.data)
