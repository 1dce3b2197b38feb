"""PES packets out of transport packets, each given out with the packet that carries its last byte.

A video PES packet usually has no length (2.4.3.7 allows 0), and demultiplexers then wait for the next one to
begin: a whole frame of delay. But the last transport packet of a PES packet can only be filled up with
stuffing in its adaptation field, so stuffing marks the end, in 183 of 184 cases; the other one is noticed
when the next PES packet begins. Some muxers put stuffing elsewhere too. Hence a PID's first few PES packets
are only watched, and a PID whose stuffing lied is watched for long before it is believed again.
"""

from __future__ import annotations

import enum
import itertools
from typing import Final

from transport.mpegts.wire import PACKET_BYTES

MAX_PES_BYTES: Final = 8 * 1024 * 1024

_WATCHED_AT_FIRST = 3
_WATCHED_AFTER_A_LIE = 300
_WATCHED_AT_MOST = 30_000
_CLOSED = -1


class Verdict(enum.Enum):
    """What a transport packet did to the PES packet it belongs to."""

    MORE = enum.auto()
    COMPLETE = enum.auto()
    TOO_LONG = enum.auto()
    MISSED_END = enum.auto()  # belongs to one that was given out already


class PesAssembler:
    """One PID's PES packets.

    `hot`, `parts`, `size` and `limit` are public for the demultiplexer's inner loop: a packet whose fourth
    byte equals `hot` has a whole payload and follows without a gap, and needs nothing but being appended.

    Attributes:
        hot: expected fourth byte of such a packet, -1 while no PES packet is open.
        parts: payloads so far.
        size: their bytes.
        limit: at this size the PES packet is complete, or too long.
        broken: its end is missing.
    """

    __slots__ = (
        "_continuity",
        "_ended_by_length",
        "_ended_by_stuffing",
        "_gaps",
        "_last_payload",
        "_length_lies",
        "_lied",
        "_need",
        "_penalty",
        "_stuffed_size",
        "_watching",
        "broken",
        "hot",
        "limit",
        "parts",
        "size",
    )

    def __init__(self) -> None:
        self.hot = _CLOSED
        self.parts: list[bytes] = []
        self.size = 0
        self.limit = MAX_PES_BYTES
        self.broken = False
        self._continuity = _CLOSED
        self._gaps: list[int] = []
        self._need = 0
        self._stuffed_size = 0
        self._lied = False
        self._watching = _WATCHED_AT_FIRST
        self._penalty = _WATCHED_AFTER_A_LIE
        self._ended_by_stuffing = False
        self._ended_by_length = False
        self._length_lies = False
        self._last_payload = b""

    @property
    def is_open(self) -> bool:
        """True between the first packet of a PES packet and its end."""
        return self.hot != _CLOSED

    def follows(self, continuity: int, payload: bytes) -> bool | None:
        """Check the continuity counter (2.4.3.3).

        Returns:
            True when the packet is the next one, False when some are missing, None for the one repetition
            that the standard allows.
        """
        expected = self.hot & 15 if self.is_open else self._continuity
        if expected in (_CLOSED, continuity):
            return True
        if (continuity + 1) & 15 == expected:
            previous = self.parts[-1] if self.is_open else self._last_payload
            if previous == payload:
                return None
        return False

    def begin(self, continuity: int, payload: bytes, *, stuffed: bool) -> Verdict:
        """Open a PES packet with its first transport packet; the one before must have been taken."""
        self.parts = [payload]
        self.size = len(payload)
        self._gaps = []
        self._lied = False
        self._stuffed_size = 0
        self.broken = False
        self._ended_by_stuffing = self._ended_by_length = False
        length = int.from_bytes(payload[4:6], "big") if len(payload) >= 6 else 0
        self._need = 6 + length if length and not self._length_lies else 0
        self.limit = self._need or MAX_PES_BYTES
        self.hot = 0x10 | (continuity + 1) & 15
        return self._judge(stuffed)

    def extend(self, continuity: int, payload: bytes, *, stuffed: bool, gap: bool) -> Verdict:
        """Add a transport packet that begins no PES packet."""
        following = (continuity + 1) & 15
        if not self.is_open:
            self._continuity = following
            self._last_payload = payload
            if gap:
                self._ended_by_stuffing = self._ended_by_length = False
            return self._own_up()
        self.hot = 0x10 | following
        if gap:
            self._gaps.append(len(self.parts))
        self.parts.append(payload)
        self.size += len(payload)
        return self._judge(stuffed)

    def close(self) -> list[bytes]:
        """Give out the bytes so far and wait for the next beginning.

        Returns:
            The PES packet in one piece, or in several where transport packets are missing between them.
        """
        parts, gaps = self.parts, self._gaps
        if self._need == 0 and not gaps and not self._ended_by_stuffing:
            self._learn()
        self._last_payload = parts[-1]
        self._continuity = self.hot & 15
        self.hot = _CLOSED
        self.parts, self._gaps = [], []
        if gaps:
            edges = [0, *gaps, len(parts)]
            return [b"".join(parts[a:b]) for a, b in itertools.pairwise(edges)]
        whole = b"".join(parts)
        return [whole[: self._need] if self._need else whole]

    @property
    def is_short(self) -> bool:
        """True when the open PES packet has fewer bytes than its header says."""
        return self.size < self._need

    def _judge(self, stuffed: bool) -> Verdict:
        if self.size >= self.limit:
            self._ended_by_length = self._need > 0
            return Verdict.COMPLETE if self._need else Verdict.TOO_LONG
        if not stuffed or (self._need and not self._gaps):
            return Verdict.MORE
        if self._watching:
            self._lied = self._lied or 0 < self._stuffed_size < self.size
            self._stuffed_size = self.size
            return Verdict.MORE
        self._ended_by_stuffing = True
        return Verdict.COMPLETE

    def _learn(self) -> None:
        """Judge the stuffing of a PES packet that ended because the next one began."""
        if self._lied or 0 < self._stuffed_size < self.size:
            self._distrust()
        elif self._stuffed_size and self._watching:
            self._watching -= 1

    def _own_up(self) -> Verdict:
        """More payload after the end: whatever marked the end is not believed any more."""
        if self._ended_by_stuffing:
            self._distrust()
        elif self._ended_by_length:
            self._length_lies = True
        else:
            return Verdict.MORE
        self._ended_by_stuffing = self._ended_by_length = False
        return Verdict.MISSED_END

    def _distrust(self) -> None:
        self._watching = self._penalty
        self._penalty = min(self._penalty * 10, _WATCHED_AT_MOST)


def payload_of(data: bytes, start: int, payload_at: int) -> bytes:
    """The payload of the transport packet at `start`."""
    return data[start + payload_at : start + PACKET_BYTES]
