"""When each packet came, told to its sender (draft-holmer-rmcat-transport-wide-cc-extensions-01).

A sender numbers all it sends over one transport in a header extension, and estimates how much the network
carries from the times that it is told here. `ArrivalLog` keeps the times; how they are packed is below.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence

from transport.rtp.rtcp_packets import TransportFeedback

URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
#: Of the header extension's value.
NUMBER_BYTES = 2
#: As often as libwebrtc does it.
_INTERVAL_S = 0.1
#: When something is due it goes with the packets that come next; nobody wakes up for it unless none do.
_SLACK_S = 0.05
_TICKS_PER_S = 4000
#: A packet that comes later after those behind it is not reported any more.
_REMEMBERED = 1000
#: So that a feedback fits a datagram: two bytes for each packet at most, and some of chunks.
_MAX_TOLD = 400
_HALF = 1 << 15
_MAX_DELTA = (1 << 15) - 1
_REFERENCE_BITS = 8
_FIXED = struct.Struct("!HH3sB")
_ABSENT, _SMALL, _LARGE = 0, 1, 2
_MAX_RUN = (1 << 13) - 1
_VECTOR_OF_ONE, _VECTOR_OF_TWO = 14, 7


class ArrivalLog:
    """Arrivals of one transport's packets, and what of them is still to be told."""

    def __init__(self) -> None:
        self._arrivals: dict[int, int] = {}
        self._highest: int | None = None
        self._next = 0
        self._number = 0
        self._due_at = math.inf
        self._told_at = -math.inf

    def __len__(self) -> int:
        """Arrivals that are remembered."""
        return len(self._arrivals)

    def note(self, seq: int, now: float) -> None:
        """A packet came.

        Args:
            seq: 16 bits, the value of the header extension.
            now: when it came, in seconds.
        """
        if self._highest is None:
            self._highest = self._next = seq
        extended = self._highest + ((seq - self._highest + _HALF) & 0xFFFF) - _HALF
        if extended in self._arrivals or extended <= self._highest - _REMEMBERED:
            return
        self._arrivals[extended] = round(now * _TICKS_PER_S)
        self._highest = max(self._highest, extended)
        # What was told to be missing and came after all is told again, with what followed it.
        self._next = min(self._next, extended)
        if self._due_at == math.inf:
            self._due_at = max(now, self._told_at + _INTERVAL_S)

    def deadline(self) -> float:
        """When to call `feedback` though nothing came."""
        return self._due_at + _SLACK_S

    def feedback(self, sender_ssrc: int, media_ssrc: int, now: float) -> list[TransportFeedback]:
        """Tell what came since the last time; nothing before it is due.

        Args:
            sender_ssrc: who tells.
            media_ssrc: one of the sources, by which the sender knows that it is meant.
            now: in seconds.
        """
        if now < self._due_at or self._highest is None:
            return []
        self._due_at, self._told_at = math.inf, now
        told = []
        for base, arrivals in self._pieces(self._next, self._highest):
            told.append(TransportFeedback(sender_ssrc, media_ssrc, base & 0xFFFF, self._number, arrivals))
            self._number = (self._number + 1) & 0xFF
        self._next = self._highest + 1
        if len(self._arrivals) > 2 * _REMEMBERED:  # not each time: to look at all takes longer than the rest
            forgotten = self._highest - _REMEMBERED
            self._arrivals = {seq: at for seq, at in self._arrivals.items() if seq > forgotten}
        return told

    def _pieces(self, first: int, last: int) -> Iterator[tuple[int, tuple[int | None, ...]]]:
        """(first sequence number, arrivals) for one packet of feedback each."""
        base, count, before = first, 0, None
        piece: list[int | None] = []
        for seq in range(first, last + 1):
            at = self._arrivals.get(seq)
            if at is not None:
                if count == _MAX_TOLD or (before is not None and abs(at - before) > _MAX_DELTA):
                    yield base, tuple(piece)
                    base, count, piece = seq, 0, []
                count, before = count + 1, at
            piece.append(at)
        yield base, tuple(piece)


def pack(feedback: TransportFeedback) -> bytes:
    """What follows the two sources in the packet, with the zeros that fill its last word.

    Raises:
        ValueError: nothing arrived, or two arrivals in a row are more than 8 s apart.
    """
    first = next((at for at in feedback.arrivals if at is not None), None)
    if first is None:
        raise ValueError("rtcp: feedback in which nothing arrived")
    reference = first >> _REFERENCE_BITS
    before = reference << _REFERENCE_BITS
    symbols = []
    deltas = bytearray()
    for at in feedback.arrivals:
        if at is None:
            symbols.append(_ABSENT)
            continue
        delta, before = at - before, at
        if 0 <= delta < 256:
            symbols.append(_SMALL)
            deltas.append(delta)
        elif -_HALF <= delta <= _MAX_DELTA:
            symbols.append(_LARGE)
            deltas += struct.pack("!h", delta)
        else:
            raise ValueError(f"rtcp: two arrivals are {delta} ticks apart")
    fixed = _FIXED.pack(
        feedback.base_seq, len(symbols), (reference & 0xFFFFFF).to_bytes(3, "big"), feedback.number
    )
    body = fixed + _pack_symbols(symbols) + deltas
    return body + bytes(-len(body) % 4)


def _pack_symbols(symbols: Sequence[int]) -> bytes:
    """Chunks (section 3.1.1): a run where it is as long as what a vector holds, else a vector."""
    chunks = []
    at = 0
    while at < len(symbols):
        window = symbols[at : at + _VECTOR_OF_ONE]
        bits = 1
        if max(window) > _SMALL:
            window, bits = symbols[at : at + _VECTOR_OF_TWO], 2
        length = _run_length(symbols, at)
        if length >= len(window):
            chunks.append(symbols[at] << 13 | length)
            at += length
            continue
        held = 0
        for symbol in window:
            held = held << bits | symbol
        chunks.append((0x8000 if bits == 1 else 0xC000) | held << 14 - bits * len(window))
        at += len(window)
    return struct.pack(f"!{len(chunks)}H", *chunks)


def _run_length(symbols: Sequence[int], at: int) -> int:
    """How many are the same from there on, as far as a chunk can say it."""
    end, limit = at + 1, min(len(symbols), at + _MAX_RUN)
    while end < limit and symbols[end] == symbols[at]:
        end += 1
    return end - at
