"""Repairing one viewer's losses: RTX packets (RFC 4588), and how much of that is good for anybody."""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque

from transport.plane.outgoing import SentPacket
from transport.rtp.header import serialize_header
from transport.rtp.padding import strip

#: Retransmissions are never capped below this: 200 kb/s.
_MIN_BYTES_PER_S = 25_000
_BIN_S = 0.1
_WINDOW_BINS = 10
_MIN_REPEAT_S = 0.010
_MAX_REMEMBERED = 4096
#: And at once; libwebrtc names 1000 at most.
_MAX_LOOKUPS_PER_S = 4096


class RtxStream:
    """The second stream that repeats packets of the first (RFC 4588 section 8, SSRC multiplexing)."""

    def __init__(self, ssrc: int) -> None:
        self.ssrc = ssrc
        self._next_number = secrets.randbelow(1 << 15)  # lower half, as for media

    def wrap(self, packet: SentPacket, payload_type: int) -> bytes:
        """A retransmission of `packet`, not encrypted: the old sequence number stands before the payload.

        It repeats the header extensions, as Firefox finds the stream of an RTX packet by its MID.
        """
        header = serialize_header(
            payload_type, packet.marker, self._next_number, packet.timestamp, self.ssrc, packet.extensions
        )
        self._next_number += 1
        return header + (packet.number & 0xFFFF).to_bytes(2, "big") + strip(packet.payload)


class Budget:
    """A token bucket, filled by what the viewer is sent anyway; holds one second's worth."""

    def __init__(self, max_fraction: float, now: float) -> None:
        self._max_fraction = max_fraction
        self._bins: deque[tuple[int, int]] = deque()
        self._window_bytes = 0
        self._tokens = float(_MIN_BYTES_PER_S)
        self._filled_at = now

    def sent(self, size_bytes: int, now: float) -> None:
        """Media went out."""
        number = int(now / _BIN_S)
        if self._bins and self._bins[-1][0] == number:
            self._bins[-1] = (number, self._bins[-1][1] + size_bytes)
        else:
            self._bins.append((number, size_bytes))
        self._window_bytes += size_bytes

    def allows(self, size_bytes: int, now: float) -> bool:
        """True, and paid, if a retransmission of this size is within the cap."""
        rate = self._bytes_per_s(now)
        self._tokens = min(rate, self._tokens + rate * max(0.0, now - self._filled_at))
        self._filled_at = now
        if self._tokens < size_bytes:
            return False
        self._tokens -= size_bytes
        return True

    def _bytes_per_s(self, now: float) -> float:
        oldest = int(now / _BIN_S) - _WINDOW_BINS
        while self._bins and self._bins[0][0] <= oldest:
            self._window_bytes -= self._bins.popleft()[1]
        return max(_MIN_BYTES_PER_S, self._window_bytes * self._max_fraction)


class Lookups:
    """How many lost packets a viewer may name: to look one up takes time even where nothing is repeated."""

    def __init__(self, now: float) -> None:
        self._free = float(_MAX_LOOKUPS_PER_S)
        self._filled_at = now

    def take(self, wanted: int, now: float) -> int:
        """How many of so many are looked up."""
        earned = _MAX_LOOKUPS_PER_S * max(0.0, now - self._filled_at)
        self._free = min(float(_MAX_LOOKUPS_PER_S), self._free + earned)
        self._filled_at = now
        granted = min(wanted, int(self._free))
        self._free -= granted
        return granted


class Repeats:
    """When which packet was last repeated: the answer to a repeated NACK may still be on its way."""

    def __init__(self) -> None:
        self._at: OrderedDict[tuple[int, int], float] = OrderedDict()

    def is_due(self, ssrc: int, number: int, rtt_s: float, now: float) -> bool:
        """True, and noted, unless the packet was repeated less than half a round trip ago."""
        key = (ssrc, number)
        last = self._at.get(key)
        if last is not None and now - last < max(_MIN_REPEAT_S, rtt_s / 2):
            return False
        self._at[key] = now
        self._at.move_to_end(key)
        if len(self._at) > _MAX_REMEMBERED:
            self._at.popitem(last=False)
        return True
