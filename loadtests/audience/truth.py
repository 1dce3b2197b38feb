"""What the server says of an audience beside what really happened to it, figure by figure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from loadtests.audience.visits import Visit
from loadtests.crowd.tally import Counts

_ALLOWED, _ALLOWED_UNIQUES = 0.01, 0.02
#: What a session and what all of them together are compared by: of the API's, and the account kept here.
_COUNTED: dict[str, Callable[[Counts], int]] = {
    "bytes": lambda counts: counts.wire_bytes,
    "packets": lambda counts: counts.sent,
    "lost": lambda counts: counts.lost,
    "retransmitted": lambda counts: counts.retransmitted,
    "nacks": lambda counts: counts.nacked,
    "plis": lambda counts: counts.plis,
}
#: Of these, some was still under way when a viewer left.
_UNDER_WAY = ("bytes", "packets", "lost")
_SUMMARY_NAMES = {"lost": "packets_lost", "retransmitted": "packets_retransmitted"}


@dataclass(frozen=True, slots=True)
class Told:
    """What the API answered.

    Attributes:
        breakdowns: by dimension.
        sessions: of the export.
    """

    summary: dict[str, Any]
    series: dict[str, Any]
    breakdowns: dict[str, dict[str, Any]]
    sessions: list[dict[str, Any]]
    live: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure.

    Attributes:
        timed: it depends on how busy the machine was between what happened and what was noted down.
    """

    name: str
    reported: float
    truth: float
    allowed: float = _ALLOWED
    timed: bool = False

    @property
    def off(self) -> float:
        """By which share of the truth the report is off."""
        return abs(self.reported - self.truth) / abs(self.truth) if self.truth else float(self.reported != 0)

    @property
    def holds(self) -> bool:
        """Whether that is as little as promised."""
        return self.off <= self.allowed


class Truth:
    """What really happened.

    Args:
        visits: all of them, over.
        known_at: when a server that was killed last took note of who was there; 0 if none was.
    """

    def __init__(self, visits: Sequence[Visit], known_at: float = 0.0) -> None:
        self.visits = [_ended(visit, known_at) for visit in visits if not visit.failed]
        self._since_restart = [visit for visit in self.visits if visit.began_at > known_at]
        self._watched = [visit.watched_s for visit in self.visits]

    def compare(self, told: Told) -> list[Compared]:
        """Everything."""
        return [
            *self._audience(told),
            *self._traffic(told.summary),
            *self._quality(told.summary),
            *self._players(told.summary),
            *self._series(told.series),
            *self._breakdowns(told.breakdowns),
            *self._sessions(told.sessions),
        ]

    def _audience(self, told: Told) -> Iterator[Compared]:
        summary, watch_s = told.summary, sum(self._watched)
        persons = {visit.person for visit in self.visits}
        yield Compared("plays", summary["plays"], len(self.visits))
        yield Compared("failed", summary["failed"], 0)
        yield Compared("unique viewers", summary["unique_viewers"], len(persons), _ALLOWED_UNIQUES)
        yield Compared("peak viewers", summary["peak_viewers"], peak(self.visits), timed=True)
        live = peak(self._since_restart)
        yield Compared("peak viewers, live", told.live["peak_viewers"], live, timed=True)
        yield Compared("watch seconds", summary["watch_seconds"], watch_s, timed=True)
        mean_s = statistics.mean(self._watched)
        yield Compared("average watch seconds", summary["average_watch_seconds"], mean_s, timed=True)
        span_s = summary["to"] - summary["from"]
        yield Compared("average viewers", summary["average_viewers"], watch_s / span_s, timed=True)
        joins = [visit.join_ms for visit in self.visits]
        for share in (50, 90, 95, 99):
            reported = summary["join_ms"][f"p{share}"]
            yield Compared(f"join ms, p{share}", reported, quantile(joins, share / 100), timed=True)
        for point in summary["retention"]:
            longer = sum(each > point["seconds"] for each in self._watched) / len(self._watched)
            yield Compared(f"still watching after {point['seconds']} s", point["share"], longer, timed=True)

    def _traffic(self, summary: dict[str, Any]) -> Iterator[Compared]:
        for name, of in _COUNTED.items():
            reported = summary[_SUMMARY_NAMES.get(name, name)]
            truth = sum(of(visit.counts) for visit in self.visits)
            yield Compared(name, reported, truth, timed=name in _UNDER_WAY)
        lost, sent = (sum(getattr(v.counts, what) for v in self.visits) for what in ("lost", "sent"))
        yield Compared("loss ratio", summary["loss_ratio"], lost / sent, timed=True)
        for name in ("rtt_ms", "jitter_ms"):
            # Weighted by time, from when the first report came on.
            weighted = sum(getattr(v.line, name) * max(0.0, v.watched_s - 1.5) for v in self.visits)
            weight = sum(max(0.0, v.watched_s - 1.5) for v in self.visits)
            yield Compared(name.replace("_", " "), summary[name] or 0.0, weighted / weight, timed=True)

    def _quality(self, summary: dict[str, Any]) -> Iterator[Compared]:
        scores = [quality(visit) for visit in self.visits]
        yield Compared("quality", summary["quality"], statistics.mean(scores), timed=True)
        for share in (5, 25, 50, 75, 95):
            reported = summary["quality_percentiles"][f"p{share}"]
            yield Compared(f"quality, p{share}", reported, quantile(scores, share / 100), timed=True)

    def _players(self, summary: dict[str, Any]) -> Iterator[Compared]:
        told = [(visit, visit.said) for visit in self.visits if visit.said is not None]
        for name, share in (("frozen", "frozen"), ("audible", "audible"), ("visible", "visible")):
            truth = sum(getattr(said, share) * visit.watches_s for visit, said in told)
            yield Compared(f"{name} seconds", summary[f"{name}_seconds"], truth)
        for name, what in (
            ("freezes", "freezes"),
            ("frames_decoded", "decoded"),
            ("frames_dropped", "dropped"),
        ):
            truth = sum(getattr(said, what) for _, said in told)
            yield Compared(name.replace("_", " "), summary[name], truth)
        visible_s = sum(said.visible * visit.watches_s for visit, said in told)
        buffer = sum(said.buffer_ms * said.visible * visit.watches_s for visit, said in told)
        yield Compared("buffer ms", summary["buffer_ms"] or 0.0, buffer / visible_s if visible_s else 0.0)

    def _series(self, series: dict[str, Any]) -> Iterator[Compared]:
        step_s = series["step_seconds"]
        for number, point in enumerate(series["points"], 1):
            start, end = point["at"], point["at"] + step_s
            watched = sum(max(0.0, min(v.ended_at, end) - max(v.began_at, start)) for v in self.visits)
            name = f"minute {number}: "
            yield Compared(f"{name}viewers", point["viewers"], watched / step_s, timed=True)
            yield Compared(f"{name}peak", point["peak_viewers"], peak(self.visits, start, end), timed=True)
            plays = sum(start <= visit.began_at < end for visit in self.visits)
            yield Compared(f"{name}plays", point["plays"], plays, timed=True)
            sent = sum(
                v.sent_until(end).wire_bytes - v.sent_until(start).wire_bytes
                for v in self.visits
                if v.began_at < end
            )
            yield Compared(f"{name}bytes", point["bytes"], sent, timed=True)

    def _breakdowns(self, breakdowns: dict[str, dict[str, Any]]) -> Iterator[Compared]:
        for by, breakdown in breakdowns.items():
            shares = {share["value"]: share for share in breakdown["shares"]}
            place = {"device": 1, "browser": 2}.get(by)
            parts: dict[str, list[Visit]] = {}
            for visit in self.visits:
                parts.setdefault("whep" if place is None else visit.agent[place], []).append(visit)
            none = dict.fromkeys(("plays", "viewers", "watch_seconds", "bytes"), 0)
            for value, visits in parts.items():
                share, name = shares.pop(value, none), f"{by} {value}: "
                persons = {visit.person for visit in visits}
                yield Compared(f"{name}plays", share["plays"], len(visits))
                yield Compared(f"{name}viewers", share["viewers"], len(persons), _ALLOWED_UNIQUES)
                watch_s = sum(visit.watched_s for visit in visits)
                yield Compared(f"{name}watch seconds", share["watch_seconds"], watch_s, timed=True)
                sent = sum(visit.counts.wire_bytes for visit in visits)
                yield Compared(f"{name}bytes", share["bytes"], sent, timed=True)
            yield Compared(f"{by}, other values", len(shares), 0)

    def _sessions(self, rows: Sequence[dict[str, Any]]) -> Iterator[Compared]:
        yield Compared("sessions exported", len(rows), len(self.visits))
        yield Compared("different sessions exported", len({row["id"] for row in rows}), len(self.visits))
        for name, of in _COUNTED.items():
            truth = sum(of(visit.counts) for visit in self.visits)
            reported = sum(row[name] for row in rows)
            yield Compared(f"exported, {name}", reported, truth, timed=name in _UNDER_WAY)
        watch_s = sum(row["watch_s"] for row in rows)
        yield Compared("exported, watch seconds", watch_s, sum(self._watched), timed=True)
        joins = statistics.mean(row["join_ms"] for row in rows)
        mean_ms = statistics.mean(visit.join_ms for visit in self.visits)
        yield Compared("exported, mean join ms", joins, mean_ms, timed=True)
        matched = [(visit, min(rows, key=lambda row: _apart(visit, row))) for visit in self.visits]
        different = len({row["id"] for _, row in matched})
        yield Compared("sessions told apart by their times", different, len(self.visits), timed=True)
        for name, of in _COUNTED.items():
            near = sum(
                abs(row[name] - of(visit.counts)) <= _near(name, of(visit.counts)) for visit, row in matched
            )
            yield Compared(f"sessions with the right {name}", near, len(self.visits), timed=True)


def peak(visits: Sequence[Visit], start: float = 0.0, end: float = math.inf) -> int:
    """The most at once, between two moments."""
    changes = [(visit.began_at, 1) for visit in visits] + [(visit.ended_at, -1) for visit in visits]
    now = most = sum(visit.began_at < start < visit.ended_at for visit in visits)
    for _, change in sorted(each for each in changes if start <= each[0] < end):
        now += change
        most = max(most, now)
    return most


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def quality(visit: Visit) -> float:
    """The score of a session, as decision 0009 defines it."""
    said, counts = visit.said, visit.counts
    start_s = (visit.join_ms + (said.start_ms if said else 0.0)) / 1000
    start = 1 - 0.2 * min(1.0, max(0.0, (start_s - 1) / 10))
    if said is None:
        gone = max(0, counts.lost - counts.retransmitted) / counts.sent
        return 100 * start * max(0.0, 1 - 5 * gone)
    frozen = said.frozen * visit.watches_s / visit.watched_s
    dropped = said.dropped / (said.decoded + said.dropped)
    return 100 * start * max(0.0, 1 - 4 * frozen) * (1 - min(0.25, dropped))


def _ended(visit: Visit, known_at: float) -> Visit:
    """Of somebody whose server was killed, as much as that server could know."""
    if not visit.cut_off and not visit.began_at < known_at < visit.ended_at:
        return visit
    known = visit.sent_until(int(known_at))
    return replace(visit, ended_at=known_at, said=None, counts=replace(known, lost=known.told_lost))


def _apart(visit: Visit, row: dict[str, Any]) -> float:
    return abs(visit.asked_at - float(row["started_at"])) + abs(visit.ended_at - float(row["ended_at"]))


def _near(name: str, truth: int) -> float:
    # What was under way when he left are some packets.
    return {"bytes": 8000, "packets": 8}.get(name, 2) + 0.02 * truth
