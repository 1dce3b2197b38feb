"""What a feed has packetised: the current GOP for viewers who join, the recent past for retransmissions.

Plaintext, and shared by all viewers. `subscription.py` turns it into one viewer's packets. Written by the
feed's writer and read by the plane's thread; the lock is never held across anything that could wait.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

#: What a packet, and a unit with one, take in memory besides the payload, about.
_PACKET_BYTES = 40
_UNIT_BYTES = 400


@dataclass(frozen=True, slots=True)
class PacketizedUnit:
    """One access unit as RTP payloads.

    Attributes:
        index: counts the feed's units.
        first_packet: counts the feed's packets; the unit's first one.
        payloads: in sending order, never empty.
        timestamp: ticks of the RTP clock, unwrapped.
        keyframe: a decoder can start here.
        at: time.monotonic() when it was written.
        interval: ticks since the unit before it, 0 if unknown.
    """

    index: int
    first_packet: int
    payloads: tuple[bytes, ...]
    timestamp: int
    keyframe: bool
    at: float
    interval: int


def memory_of(payloads: Sequence[bytes]) -> int:
    """Bytes that a unit of these takes: of many small ones that is more than what is in them."""
    return _UNIT_BYTES + sum(_PACKET_BYTES + len(payload) for payload in payloads)


class History:
    """The last units of one feed.

    A GOP goes as a whole, when the keyframe after it is `keep_s` old. So the current GOP is always complete,
    and who is in the middle of an old one when the next begins can finish it. Only `max_bytes` overrides
    this, oldest first.
    """

    def __init__(self, keep_s: float, max_bytes: int) -> None:
        self._keep_s = keep_s
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._units: deque[PacketizedUnit] = deque()
        self._keyframes: deque[PacketizedUnit] = deque()
        self._bytes = 0
        self._next_index = 0
        self._next_packet = 0
        self._last_timestamp: int | None = None

    @property
    def next_index(self) -> int:
        """Index of the unit that comes next."""
        return self._next_index

    @property
    def end(self) -> tuple[int, int]:
        """Index of the unit and number of the packet that come next."""
        with self._lock:
            return self._next_index, self._next_packet

    @property
    def size_bytes(self) -> int:
        """What the units held take in memory, about."""
        return self._bytes

    def append(self, payloads: Sequence[bytes], timestamp: int, keyframe: bool, now: float) -> None:
        """Add the next unit, drop what is too old."""
        last = self._last_timestamp
        interval = max(0, timestamp - last) if last is not None else 0
        with self._lock:
            unit = PacketizedUnit(
                self._next_index, self._next_packet, tuple(payloads), timestamp, keyframe, now, interval
            )
            self._units.append(unit)
            if keyframe:
                self._keyframes.append(unit)
            self._bytes += memory_of(payloads)
            self._next_index += 1
            self._next_packet += len(payloads)
            self._last_timestamp = timestamp
            self._trim(now)

    def unit(self, index: int) -> PacketizedUnit | None:
        """The unit with this index, None if it is gone or not yet there."""
        with self._lock:
            return self._at(index)

    def packet(self, number: int) -> tuple[PacketizedUnit, int] | None:
        """The unit that holds a packet and the packet's place in it, None if it is gone or not yet there."""
        with self._lock:
            if not self._units or not self._units[0].first_packet <= number < self._next_packet:
                return None
            unit = self._units[bisect_right(self._units, number, key=lambda unit: unit.first_packet) - 1]
            return unit, number - unit.first_packet

    def newest(self) -> PacketizedUnit | None:
        """The last unit written."""
        with self._lock:
            return self._units[-1] if self._units else None

    def keyframe(self) -> PacketizedUnit | None:
        """The newest keyframe, None if it is gone: everything since it is here."""
        with self._lock:
            return self._keyframes[-1] if self._keyframes else None

    def is_gone(self, index: int) -> bool:
        """True if the unit was dropped already."""
        with self._lock:
            return index < (self._units[0].index if self._units else self._next_index)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._units.clear()
            self._keyframes.clear()
            self._bytes = 0

    def _at(self, index: int) -> PacketizedUnit | None:
        if not self._units or not self._units[0].index <= index < self._next_index:
            return None
        return self._units[index - self._units[0].index]

    def _trim(self, now: float) -> None:
        keep_from = self._units[0].index
        while len(self._keyframes) > 1 and self._keyframes[1].at < now - self._keep_s:
            self._keyframes.popleft()
            keep_from = self._keyframes[0].index
        while self._units[0].index < keep_from or (self._bytes > self._max_bytes and len(self._units) > 1):
            dropped = self._units.popleft()
            self._bytes -= memory_of(dropped.payloads)
        while self._keyframes and self._keyframes[0].index < self._units[0].index:
            self._keyframes.popleft()
