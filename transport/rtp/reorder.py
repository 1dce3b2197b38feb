"""The packets of one RTP stream in the order they were sent, and which of them to ask for again.

Nothing waits but what is behind a gap. `incoming.py` uses this and puts the packets together.
"""

from __future__ import annotations

import math
from collections import deque

from transport.rtp.header import RtpPacket

#: A packet that was only overtaken comes in this time, or before so many later ones.
_TOLERANCE_S = 0.010
_TOLERATED_LATER = 3
_ASK_AGAIN_S = 0.060
_MAX_REQUESTS = 7
#: Before the answer to a request can be here, there is no point in the next.
_ROUND_TRIPS = 1.25
_SMOOTHING = 1 / 8
#: What one NACK names; 4 bytes each where they are far apart.
_MAX_ASKED_AT_ONCE = 128
#: Of more, the network has lost all for a while, and a new picture is there sooner than these.
_MAX_MISSING = 1_000
_MAX_WAITING = 2_048
_MAX_WAITING_BYTES = 8 * 1024 * 1024

#: A packet, when it came, and whether packets before it are missing for good.
Ordered = tuple[RtpPacket, float, bool]


class ReorderBuffer:
    """Holds packets back while one before them is missing, up to a time and to a size.

    All sequence numbers are extended (RFC 3550 A.1): they go on where 16 bits wrap.

    Args:
        give_up_s: how long a missing packet is waited for.
        first_seq: of the packet that is the first; what comes of before counts as a duplicate.

    Attributes:
        highest: the highest sequence number that came.
        lost: packets given up.
        recovered: packets that came although they were missing longer than packets overtake each other.
        duplicates: packets that came again, or after they were given up.
    """

    def __init__(self, give_up_s: float, first_seq: int) -> None:
        self.highest = first_seq - 1
        self.lost = 0
        self.recovered = 0
        self.duplicates = 0
        self._give_up_s = give_up_s
        self._next = first_seq
        # In ascending order, which is also the order in which they were missed.
        self._missing: dict[int, _Missing] = {}
        self._waiting: dict[int, tuple[RtpPacket, float]] = {}
        self._waiting_bytes = 0
        self._broken = False
        self._ask_at = math.inf
        self._arrivals = 0
        self._fresh: deque[int] = deque()
        self._round_trip_s = 0.0

    def push(self, seq: int, packet: RtpPacket, now: float) -> list[Ordered]:
        """Take a packet, whichever way it came; return all that are in order now."""
        if seq == self._next and not self._waiting:
            self._next, self.highest = seq + 1, seq
            broken, self._broken = self._broken, False
            return [(packet, now, broken)]
        if seq < self._next or seq in self._waiting:
            self.duplicates += 1
            return []
        if seq > self.highest:
            self._advance(seq, now)
        else:
            self._fill(seq, now)
        self._waiting[seq] = (packet, now)
        self._waiting_bytes += len(packet.payload)
        if len(self._waiting) > _MAX_WAITING or self._waiting_bytes > _MAX_WAITING_BYTES:
            self._abandon()
        return self._release()

    def give_up(self, now: float) -> list[Ordered]:
        """Wait no longer for what has been missing too long; return all that are in order then."""
        late: list[int] = []
        for seq, missing in self._missing.items():
            if missing.since + self._give_up_s > now:
                break
            late.append(seq)
        if not late:
            return []
        for seq in late:
            del self._missing[seq]
        self.lost += len(late)
        return self._release()

    def requests(self, now: float) -> list[int]:
        """Sequence numbers to ask for now (RFC 4585 6.2.1), 128 at most; asked for again later."""
        if now < self._ask_at:
            return []
        asked: list[int] = []
        wait_s = max(_ASK_AGAIN_S, self._round_trip_s * _ROUND_TRIPS)
        for seq, missing in self._missing.items():
            overtaken = not missing.requests and self._arrivals - missing.arrivals >= _TOLERATED_LATER - 1
            if missing.ask_at > now and not overtaken:
                continue
            if len(asked) == _MAX_ASKED_AT_ONCE:
                break
            asked.append(seq)
            missing.requests += 1
            missing.asked_at = now
            missing.ask_at = now + wait_s if missing.requests < _MAX_REQUESTS else math.inf
        if len(asked) < _MAX_ASKED_AT_ONCE:
            self._ask_at = min((missing.ask_at for missing in self._missing.values()), default=math.inf)
        return asked

    def deadline(self) -> float:
        """When `give_up` or `requests` has something to do; infinite while nothing is missing."""
        if not self._missing:
            return math.inf
        oldest = next(iter(self._missing.values()))
        return min(self._ask_at, oldest.since + self._give_up_s)

    def _advance(self, seq: int, now: float) -> None:
        """A packet that is later than all before; what lies between is missing."""
        self._arrivals += 1
        gap = range(self.highest + 1, seq)
        self.highest = seq
        if len(self._missing) + len(gap) > _MAX_MISSING:
            self.lost += len(gap)
            self._abandon()
        elif gap:
            ask_at = now + _TOLERANCE_S
            for each in gap:
                self._missing[each] = _Missing(now, ask_at, self._arrivals)
            self._ask_at = min(self._ask_at, ask_at)
            self._fresh.append(self._arrivals)
        while self._fresh and self._arrivals - self._fresh[0] >= _TOLERATED_LATER - 1:
            self._fresh.popleft()
            self._ask_at = now

    def _fill(self, seq: int, now: float) -> None:
        missing = self._missing.pop(seq, None)
        if missing is None:
            return
        if missing.requests or now - missing.since > _TOLERANCE_S:
            self.recovered += 1
        if missing.requests == 1:
            took_s = now - missing.asked_at
            before_s = self._round_trip_s or took_s
            self._round_trip_s = before_s + (took_s - before_s) * _SMOOTHING

    def _abandon(self) -> None:
        self.lost += len(self._missing)
        self._missing.clear()
        self._fresh.clear()
        self._ask_at = math.inf

    def _release(self) -> list[Ordered]:
        ready: list[Ordered] = []
        while self._waiting:
            found = self._waiting.pop(self._next, None)
            if found is not None:
                packet, arrival = found
                self._waiting_bytes -= len(packet.payload)
                ready.append((packet, arrival, self._broken))
                self._broken = False
            elif self._next in self._missing:
                break
            else:
                self._broken = True
            self._next += 1
        return ready


class _Missing:
    """A packet that did not come: since when, and what was done about it."""

    __slots__ = ("arrivals", "ask_at", "asked_at", "requests", "since")

    def __init__(self, since: float, ask_at: float, arrivals: int) -> None:
        self.since = since
        self.ask_at = ask_at
        self.asked_at = 0.0
        self.requests = 0
        self.arrivals = arrivals
