"""Packets on their way to one client over UDP, no faster than it takes them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from transport.rtsp.batch import Batch, Pairs, Portion

#: So much goes out at once: what a receiver's buffer holds on most systems.
_BURST_BYTES, _BURST_S = 48 * 1024, 0.002
#: How many times as fast as it was shown goes out what was shown before, lest much of it be lost.
_CATCH_UP = 4
#: Never reached by who gets a picture group and what comes meanwhile.
_MAX_WAITING_BYTES = 64 * 1024 * 1024
_RTP_HEADER_BYTES = 12

#: Given a client's port, a packet, and whether it is a report; says whether the network took it.
Send = Callable[[int, bytes, bool], bool]


class _Waiting(NamedTuple):
    portion: Portion
    pair: tuple[int, int]
    number: int


class PacedSender:
    """Sends at once what is due, and the rest when `pump` is called. Thread-safe.

    Args:
        send: one packet.
        on_waiting: called when something begins to wait for `pump`; must return at once.
        clock: monotonic seconds.

    Attributes:
        bytes_sent: of packets.
        packets_sent: of media.
        payload_bytes_sent: of these.
    """

    def __init__(
        self, send: Send, on_waiting: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.bytes_sent = 0
        self.packets_sent = 0
        self.payload_bytes_sent = 0
        self._send = send
        self._on_waiting = on_waiting
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._position = 0  # in the first portion
        self._burst_at = 0.0
        self._burst_bytes = 0
        self._began_at: tuple[float, float] | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether `pump` has something to do in `wait_s`."""
        return bool(self._waiting)

    def put(self, batch: Batch, ports: Pairs) -> int:
        """Send the packets of tracks that go to these ports; without room, none of those that wait either.

        Returns:
            How many units were left out.
        """
        pairs = dict(ports)
        taken = [
            _Waiting(portion, pairs[portion.track], batch.number)
            for portion in batch.portions
            if portion.track in pairs
        ]
        size = sum(len(packet) for each in taken for packet in each.portion.packets)
        with self._lock:
            if self._waiting_bytes + size > _MAX_WAITING_BYTES:
                return sum(not each.portion.is_rtcp for each in (*self._drop(), *taken))
            self._waiting.extend(taken)
            self._waiting_bytes += size
            if len(self._waiting) == len(taken):
                self._pump(self._clock())
                if self._waiting:
                    self._on_waiting()
        return 0

    def drop(self) -> list[int]:
        """Send nothing of what waits; the numbers of its batches. What comes next is due at once."""
        with self._lock:
            return [each.number for each in self._drop()]

    def pump(self) -> None:
        """Send what is due."""
        with self._lock:
            self._pump(self._clock())

    def wait_s(self) -> float:
        """How long until `pump` has something to do; only while `is_waiting`."""
        with self._lock:
            now = self._clock()
            if not self._waiting:
                return 0.0
            due_s = self._due_at(self._waiting[0].portion.at_s, now) - now
            return max(0.0, due_s, 0.0 if self._has_room(now) else self._burst_at + _BURST_S - now)

    def _drop(self) -> list[_Waiting]:
        dropped = list(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = self._position = 0
        self._began_at = None
        return dropped

    def _pump(self, now: float) -> None:
        while self._waiting:
            portion, pair, _ = self._waiting[0]
            if self._due_at(portion.at_s, now) > now:
                return
            while self._position < len(portion.packets):
                if not (portion.is_rtcp or self._has_room(now)):
                    return
                self._send_packet(portion.packets[self._position], pair, now, is_rtcp=portion.is_rtcp)
                self._position += 1
            self._waiting.popleft()
            self._position = 0

    def _send_packet(self, packet: bytes, pair: tuple[int, int], now: float, *, is_rtcp: bool) -> None:
        if not self._burst_bytes:
            self._burst_at = now
        self._burst_bytes += len(packet)
        self._waiting_bytes -= len(packet)
        if self._send(pair[is_rtcp], packet, is_rtcp):
            self.bytes_sent += len(packet)
            if not is_rtcp:
                self.packets_sent += 1
                self.payload_bytes_sent += len(packet) - _RTP_HEADER_BYTES

    def _has_room(self, now: float) -> bool:
        if self._burst_bytes < _BURST_BYTES:
            return True
        if now - self._burst_at < _BURST_S:
            return False
        self._burst_bytes = 0
        return True

    def _due_at(self, at_s: float, now: float) -> float:
        if self._began_at is None:
            self._began_at = now, at_s
        began_at, first_s = self._began_at
        return began_at + (at_s - first_s) / _CATCH_UP
