"""PES packets out of transport packets, each given out with the packet that carries its last byte.

A video PES packet usually has no length (2.4.3.7 allows 0), and demultiplexers then wait for the next one to
begin: a whole frame of delay. But the last transport packet of a PES packet can only be filled up with
stuffing in its adaptation field, so stuffing marks the end, in 183 of 184 cases. In the other one a message
that is not full may: encoders send what they have once a picture is complete. What neither marks is noticed
when the next PES packet begins.

Some muxers put stuffing elsewhere too, and some senders pause anywhere. Hence each sign is only watched at
first, and one that lied is watched for long before it is believed again.
"""

from __future__ import annotations

import enum
import itertools
from typing import Final

from transport.mpegts.wire import PACKET_BYTES

MAX_PES_BYTES: Final = 8 * 1024 * 1024

_STUFFING_WATCHED, _PAUSES_WATCHED = 3, 30
_WATCHED_AFTER_A_LIE = 300
_WATCHED_AT_MOST = 30_000
# So many packets in a row that do not follow each other: no line loses like that, the counter is wrong. And
# so many that do, until it is believed again.
_UNCOUNTED, _COUNTED = 8, 8
_CLOSED = -1


class Verdict(enum.Enum):
    """What a transport packet did to the PES packet it belongs to."""

    MORE = enum.auto()
    COMPLETE = enum.auto()
    TOO_LONG = enum.auto()
    MISSED_END = enum.auto()  # belongs to one that was given out already


class _Sign:
    """Something that may mark the end of PES packets: watched before it is believed.

    Attributes:
        watched: so many PES packets more.
    """

    __slots__ = ("_at", "_lied", "_penalty", "watched")

    def __init__(self, watched: int) -> None:
        self.watched = watched
        self._penalty = _WATCHED_AFTER_A_LIE
        self._at = 0
        self._lied = False

    def begin(self) -> None:
        """A PES packet begins."""
        self._at = 0
        self._lied = False

    def seen(self, size: int) -> bool:
        """It is there, after so many bytes of the PES packet; whether it is believed."""
        self._lied = self._lied or 0 < self._at < size
        self._at = size
        return not self.watched

    def learn(self, size: int) -> None:
        """The PES packet had so many bytes, as is known from elsewhere."""
        if self._lied or 0 < self._at < size:
            self.distrust()
        elif self._at and self.watched:
            self.watched -= 1

    def distrust(self) -> None:
        """It lied."""
        self.watched = self._penalty
        self._penalty = min(self._penalty * 10, _WATCHED_AT_MOST)


class PesAssembler:
    """One PID's PES packets.

    `hot`, `size` and `limit` are public for the demultiplexer's inner loop: a packet whose fourth byte equals
    `hot` has a whole payload and follows without a gap, and needs nothing but being appended.

    Attributes:
        hot: expected fourth byte of such a packet, -1 while no PES packet is open.
        parts: payloads so far.
        size: their bytes.
        limit: at this size the PES packet is complete, or too long.
        broken: its end is missing.
        is_counted: the continuity counters tell what is missing; some muxers write what they like.
    """

    __slots__ = (
        "_believed",
        "_continuity",
        "_ended_by_length",
        "_gaps",
        "_in_a_row",
        "_last_payload",
        "_length_lies",
        "_need",
        "_pause",
        "_stuffing",
        "broken",
        "hot",
        "is_counted",
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
        self.is_counted = True
        self._in_a_row = 0
        self._continuity = _CLOSED
        self._gaps: list[int] = []
        self._need = 0
        self._stuffing = _Sign(_STUFFING_WATCHED)
        self._pause = _Sign(_PAUSES_WATCHED)
        self._believed: tuple[_Sign, ...] = ()  # what ended the last one
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
        follows = expected in (_CLOSED, continuity)
        if not self.is_counted:
            self._in_a_row = self._in_a_row + 1 if follows else 0
            self.is_counted = self._in_a_row >= _COUNTED
            return True
        if follows:
            self._in_a_row = 0
            return True
        if (continuity + 1) & 15 == expected:
            previous = self.parts[-1] if self.is_open else self._last_payload
            if previous == payload:
                return None
        self._in_a_row += 1
        if self._in_a_row >= _UNCOUNTED:
            self.is_counted, self._in_a_row = False, 0
            self._gaps = []
            return True
        return False

    def begin(self, continuity: int, payload: bytes, *, stuffed: bool, pauses: bool) -> Verdict:
        """Open a PES packet with its first transport packet; the one before must have been taken.

        Args:
            continuity: its counter.
            payload: of this transport packet.
            stuffed: it has stuffing.
            pauses: the sender had nothing more to send after it, for now.
        """
        self.parts = [payload]
        self.size = len(payload)
        self._gaps = []
        self._stuffing.begin()
        self._pause.begin()
        self.broken = False
        self._believed, self._ended_by_length = (), False
        length = int.from_bytes(payload[4:6], "big") if len(payload) >= 6 else 0
        self._need = 6 + length if length and not self._length_lies else 0
        self.limit = self._need or MAX_PES_BYTES
        self.hot = 0x10 | (continuity + 1) & 15
        return self._judge(stuffed, pauses)

    def extend(self, continuity: int, payload: bytes, *, stuffed: bool, pauses: bool, gap: bool) -> Verdict:
        """Add a transport packet that begins no PES packet; `gap`: some are missing before it."""
        following = (continuity + 1) & 15
        if not self.is_open:
            self._continuity = following
            self._last_payload = payload
            if gap:
                self._believed, self._ended_by_length = (), False
            return self._own_up()
        self.hot = 0x10 | following
        if gap:
            self._gaps.append(len(self.parts))
        self.parts.append(payload)
        self.size += len(payload)
        return self._judge(stuffed, pauses)

    def extend_whole(self, data: bytes, start: int, count: int) -> None:
        """Add `count` transport packets of whole payload that follow each other from `start` on; they fit."""
        first, after = start + PACKET_BYTES - 184, start + count * PACKET_BYTES
        self.parts += [data[at : at + 184] for at in range(first, after, PACKET_BYTES)]
        self.size += 184 * count
        self.hot = 0x10 | (self.hot + count) & 15
        self._in_a_row = 0 if self.is_counted else self._in_a_row + count

    def pause(self) -> Verdict:
        """The sender had nothing more to send after what was added last, for now."""
        return self._judge(stuffed=False, pauses=True) if self.is_open else Verdict.MORE

    def close(self) -> list[bytes]:
        """Give out the bytes so far and wait for the next beginning.

        Returns:
            The PES packet in one piece, or in several where transport packets are missing between them.
        """
        parts, gaps = self.parts, self._gaps
        if self._need == 0 and not gaps:
            for sign in (self._stuffing, self._pause):
                if sign not in self._believed:
                    sign.learn(self.size)
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

    def _judge(self, stuffed: bool, pauses: bool) -> Verdict:
        if self.size >= self.limit:
            self._ended_by_length = self._need > 0
            return Verdict.COMPLETE if self._need else Verdict.TOO_LONG
        if not (stuffed or pauses) or (self._need and not self._gaps):
            return Verdict.MORE
        signs = ((self._stuffing, stuffed), (self._pause, pauses))
        self._believed = tuple(sign for sign, is_there in signs if is_there and sign.seen(self.size))
        return Verdict.COMPLETE if self._believed else Verdict.MORE

    def _own_up(self) -> Verdict:
        """More payload after the end: whatever marked the end is not believed any more."""
        for sign in self._believed:
            sign.distrust()
        if self._ended_by_length:
            self._length_lies = True
        elif not self._believed:
            return Verdict.MORE
        self._believed, self._ended_by_length = (), False
        return Verdict.MISSED_END


def payload_of(data: bytes, start: int, payload_at: int) -> bytes:
    """The payload of the transport packet at `start`."""
    return data[start + payload_at : start + PACKET_BYTES]
