"""Everybody who watches on this machine: one row of a numpy table each, and no timer for any of them.

Once a second the media plane's counters are laid over the table in one go. Every few seconds, and whenever a
minute ends, `cut` takes what was added since the last cut, by stream. All of it follows from the table, so
that a copy of the table (`checkpoint.py`) is all that is needed to go on after a crash.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamer.engagement.quality import score
from streamer.engagement.session import COLUMN, COUNTED, DIMENSIONS, Arrival, Report

#: Of the plane's row (`transport.plane.interface.COUNTERS`), what is taken over as it is.
_PLAIN = {
    "bytes": "bytes_sent",
    "packets": "packets_sent",
    "retransmitted": "retransmitted",
    "nacks": "nacks",
    "plis": "plis",
}
_FIRST_ROWS = 256
#: From so much on the clock was set: what keeps it right changes it by less than a second in half an hour.
_SET_S = 2.0
#: What a player can count in a second: no camera makes more pictures, and a freeze lasts 150 ms at least
#: (W3C webrtc-stats, freezeCount). One who makes figures up is so one among many.
_MOST_PER_S = {"freezes": 7, "decoded": 300, "dropped": 300}

STATE = np.dtype(
    [
        ("peer", np.uint64),
        ("arrived_at", np.float64),
        ("watching_at", np.float64),  # NaN until media was sent
        ("ended_at", np.float64),  # NaN until it ended
        ("first_frame_ms", np.float64),  # NaN unless a player told
        ("width", np.int32),
        ("height", np.int32),
        ("played", np.bool_),  # its play was cut off already
        ("over", np.bool_),  # its end was cut off already
        ("hour", np.int64),  # the last one in which it was counted as present
        ("day", np.int64),
        ("codes", np.int32, (1 + len(DIMENSIONS),)),  # of the stream and the dimensions' values
        ("counted", np.float64, (len(COUNTED),)),
        ("cut", np.float64, (len(COUNTED),)),  # what of it was cut off already
    ]
)

#: What stands for all streams together; no stream can be called so.
ALL = ""

Rows = npt.NDArray[np.void]
Slots = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Live:
    """One stream now.

    Attributes:
        peak: the most at once since the stream's first viewer here.
        quality: mean score, NaN while nobody has one.
    """

    viewers: int
    peak: int
    quality: float


class Audience:
    """The table. Event loop only.

    Args:
        clock: seconds since 1970.
        steady: seconds, and never set; None when the clock never is, either.
    """

    def __init__(
        self, clock: Callable[[], float] = time.time, steady: Callable[[], float] | None = None
    ) -> None:
        self.clock = clock
        self._steady = steady or clock
        self.rows: Rows = np.zeros(_FIRST_ROWS, STATE)
        self.arrivals: list[Arrival | None] = [None] * _FIRST_ROWS
        self.ends: dict[int, str] = {}
        self.words: list[str] = []
        #: By stream's code: watching now, the most since the last cut, the most ever.
        self.now: dict[int, int] = {}
        self.since_cut: dict[int, int] = {}
        self._most: dict[int, int] = {}
        self._codes: dict[str, int] = {}
        self._free = list(range(_FIRST_ROWS - 1, -1, -1))
        self._slots: dict[str, int] = {}
        #: Another one whenever a session came or its row was freed.
        self.revision = 0
        self._ordered: tuple[Slots, npt.NDArray[np.uint64]] | None = None
        self._measured_at = clock()
        self._kept_at = clock(), self._steady()

    def __len__(self) -> int:
        """Sessions that have not ended."""
        return len(self._slots) - len(self.ends)

    def arrive(self, arrival: Arrival, peer: int) -> None:
        """Somebody was let in; media follow."""
        slot = self._take_slot()
        row = self.rows[slot]
        row["peer"], row["arrived_at"] = peer, arrival.at
        row["watching_at"] = row["ended_at"] = row["first_frame_ms"] = np.nan
        values = (arrival.stream, *(getattr(arrival, name) for name in DIMENSIONS))
        row["codes"] = [self.code(value) for value in values]
        self.arrivals[slot] = arrival
        self._slots[arrival.session] = slot
        self.revision += 1
        self._ordered = None

    def watching(self, session: str) -> None:
        """Media are sent from now on."""
        slot = self._slots.get(session)
        if slot is None or slot in self.ends or not np.isnan(self.rows[slot]["watching_at"]):
            return
        self.rows[slot]["watching_at"] = self.clock()
        for stream in (int(self.rows[slot]["codes"][0]), self.code(ALL)):
            self.now[stream] = self.now.get(stream, 0) + 1
            self.since_cut[stream] = max(self.since_cut.get(stream, 0), self.now[stream])
            self._most[stream] = max(self._most.get(stream, 0), self.now[stream])

    def keep_time(self) -> float:
        """Notice that the clock was set, or the machine slept: nobody watched longer or shorter for that.

        Returns:
            By how many seconds; 0 for not.
        """
        before, before_steady = self._kept_at
        now, steady = self._kept_at = self.clock(), self._steady()
        set_s = (now - before) - (steady - before_steady)
        if abs(set_s) < _SET_S:
            return 0.0
        slots = self.used()
        for name in ("arrived_at", "watching_at", "ended_at"):
            self.rows[name][slots] += set_s
        self._measured_at += set_s
        return set_s

    def measured(self, counters: Rows) -> None:
        """Take a snapshot of the plane's counters, dtype `transport.plane.interface.COUNTERS`."""
        now = self.clock()
        passed_s, self._measured_at = max(0.0, now - self._measured_at), now
        slots, peers = self._by_peer()
        if not slots.size or not counters.size:
            return
        places = np.minimum(np.searchsorted(peers, counters["peer_id"]), peers.size - 1)
        known = peers[places] == counters["peer_id"]
        self._lay_over(slots[places[known]], counters[known], passed_s)

    def is_open(self, session: str) -> bool:
        """Whether something can still be said about a session."""
        slot = self._slots.get(session)
        return slot is not None and not self.rows[slot]["over"]

    def reported(self, session: str, report: Report) -> None:
        """Take what a player says about a session that is open."""
        slot = self._slots[session]
        row = self.rows[slot]
        # As a list: numbers of an array's are slow to have one by one.
        counted = row["counted"].tolist()
        most_s = max(0.0, self._until(slot) - float(row["arrived_at"])) + 1.0
        before_s = counted[COLUMN["visible_s"]]
        for name in ("frozen_s", "audible_s", "visible_s"):
            counted[COLUMN[name]] = max(counted[COLUMN[name]], min(getattr(report, name), most_s))
        for name, most in _MOST_PER_S.items():
            told = min(getattr(report, name), math.ceil(most * most_s))
            counted[COLUMN[name]] = max(counted[COLUMN[name]], told)
        if report.buffer_ms is not None:
            counted[COLUMN["buffer_ms_s"]] += report.buffer_ms * (counted[COLUMN["visible_s"]] - before_s)
        row["counted"] = counted
        if report.first_frame_ms is not None and math.isnan(row["first_frame_ms"]):
            row["first_frame_ms"] = report.first_frame_ms
        if report.width and report.height:
            row["width"], row["height"] = report.width, report.height

    def leave(self, session: str, why: str, counters: np.void | None = None) -> None:
        """A session ended; what its player still has to say is waited for until it is cut off."""
        slot = self._slots.get(session)
        if slot is None or slot in self.ends:
            return
        if counters is not None and counters["peer_id"] == self.rows[slot]["peer"]:
            self._lay_over(np.array([slot]), np.array([counters], counters.dtype), 0.0)
        self.rows[slot]["ended_at"] = self.clock()
        self.ends[slot] = why
        self._ordered = None
        if not np.isnan(self.rows[slot]["watching_at"]):
            for stream in (int(self.rows[slot]["codes"][0]), self.code(ALL)):
                self.now[stream] -= 1

    def forget(self, slots: Sequence[int]) -> None:
        """Free the rows of sessions that were cut off for the last time."""
        for slot in slots:
            arrival = self.arrivals[slot]
            assert arrival is not None
            del self._slots[arrival.session], self.ends[slot]
            self.arrivals[slot] = None
            self.rows[slot] = 0
            self._free.append(slot)
        self.revision += 1
        self._ordered = None

    def used(self) -> Slots:
        """The rows in use, those of sessions that ended among them."""
        return np.fromiter(self._slots.values(), np.int64, len(self._slots))

    def arrival_of(self, session: str) -> Arrival | None:
        """What is known of a session, None when there is none."""
        slot = self._slots.get(session)
        return self.arrivals[slot] if slot is not None else None

    def counted(self, slots: Slots, now: float) -> npt.NDArray[np.float64]:
        """What was counted until now, a row for each slot, columns as `COUNTED`."""
        rows = self.rows[slots]
        values: npt.NDArray[np.float64] = rows["counted"].copy()
        until = np.where(np.isnan(rows["ended_at"]), now, rows["ended_at"])
        values[:, COLUMN["watch_s"]] = np.maximum(0.0, np.nan_to_num(until - rows["watching_at"]))
        return values

    def quality(self, slots: Slots, counted: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Scores of sessions with what was counted of them."""
        names = ("watch_s", "frozen_s", "decoded", "dropped", "packets", "lost", "retransmitted")
        return score(start_ms=self.start_ms(slots), **{name: counted[:, COLUMN[name]] for name in names})

    def start_ms(self, slots: Slots) -> npt.NDArray[np.float64]:
        """From asking to the first picture as the player tells, else to the first media; NaN until then."""
        rows = self.rows[slots]
        started: npt.NDArray[np.float64] = rows["first_frame_ms"].copy()
        sent = (rows["watching_at"] - rows["arrived_at"]) * 1000
        return np.where(np.isnan(started), sent, started)

    def live(self) -> dict[str, Live]:
        """Every stream that anybody watched here."""
        slots = self.used()
        slots = slots[~np.isnan(self.rows["watching_at"][slots]) & np.isnan(self.rows["ended_at"][slots])]
        qualities = self.quality(slots, self.counted(slots, self.clock()))
        streams = self.rows["codes"][slots, 0]
        scored = ~np.isnan(qualities)
        sums = np.bincount(streams[scored], qualities[scored], len(self.words))
        numbers = np.bincount(streams[scored], minlength=len(self.words))
        return {
            self.words[code]: Live(
                self.now.get(code, 0), most, sums[code] / numbers[code] if numbers[code] else float("nan")
            )
            for code, most in self._most.items()
        }

    def code(self, word: str) -> int:
        """A number for a stream's name or a dimension's value."""
        code = self._codes.get(word)
        if code is None:
            code = self._codes[word] = len(self.words)
            self.words.append(word)
        return code

    def _until(self, slot: int) -> float:
        ended_at = float(self.rows[slot]["ended_at"])
        return self.clock() if np.isnan(ended_at) else ended_at

    def _lay_over(self, slots: Slots, counters: Rows, passed_s: float) -> None:
        counted = self.rows["counted"]
        for name, field in _PLAIN.items():
            counted[slots, COLUMN[name]] = counters[field]
        # A receiver that gets a packet twice reports less than nothing lost (RFC 3550 section 6.4.1).
        lost = np.maximum(counters["video_lost"], 0) + np.maximum(counters["audio_lost"], 0)
        counted[slots, COLUMN["lost"]] = np.maximum(counted[slots, COLUMN["lost"]], lost)
        known = counters["rtt_ms"] > 0
        at = slots[known]
        counted[at, COLUMN["rtt_s"]] += passed_s
        counted[at, COLUMN["rtt_ms_s"]] += counters["rtt_ms"][known] * passed_s
        counted[at, COLUMN["jitter_ms_s"]] += counters["video_jitter_ms"][known] * passed_s

    def _by_peer(self) -> tuple[Slots, npt.NDArray[np.uint64]]:
        if self._ordered is None:
            slots = self.used()
            slots = slots[np.isnan(self.rows["ended_at"][slots])]
            peers = self.rows["peer"][slots]
            order = np.argsort(peers)
            self._ordered = slots[order], peers[order]
        return self._ordered

    def _take_slot(self) -> int:
        if not self._free:
            size = len(self.arrivals)
            self.rows = np.concatenate((self.rows, np.zeros(size, STATE)))
            self.arrivals += [None] * size
            self._free = list(range(2 * size - 1, size - 1, -1))
        return self._free.pop()
