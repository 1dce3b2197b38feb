"""What is cut off the audience's table every few seconds: what each stream added, and sessions that ended.

A batch has a name that no other one has, so that it counts once however often it is delivered. On disk and on
the way it is JSON.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from streamer.engagement.audience import ALL, Audience, Slots
from streamer.engagement.session import COLUMN, COUNTED, DIMENSIONS, Arrival
from streamer.engagement.sketch import Durations, Scores, Sketch
from streamer.engagement.uniques import Hashes

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
#: How long what a player says after its session ended is waited for.
LINGER_S = 2.0
_WATCH = COLUMN["watch_s"]


@dataclass(slots=True)
class Share:
    """One value of one dimension: part of an audience. `sent` are bytes."""

    plays: int = 0
    watch_s: float = 0.0
    sent: float = 0.0
    viewers: bytes = b""

    def __neg__(self) -> Share:
        """What takes off as much as this adds, but for viewers."""
        return Share(-self.plays, -self.watch_s, -self.sent)


@dataclass(slots=True)
class Added:
    """What one stream's audience added in one minute, or a part of it.

    Attributes:
        plays: sessions that media were sent to for the first time.
        failed: sessions that ended before that.
        ended: sessions that ended after it.
        counted: sums of what sessions count, as `COUNTED`.
        starts: sketch of milliseconds until the first picture, of the plays.
        qualities: sketch of scores, of those that ended.
        watched: sketch of seconds, of those that ended.
        viewers: hashes of who watched, each at least once an hour.
        shares: by dimension and value.
    """

    stream: str
    plays: int = 0
    failed: int = 0
    ended: int = 0
    peak: int = 0
    counted: list[float] = field(default_factory=lambda: [0.0] * len(COUNTED))
    starts: bytes = b""
    qualities: bytes = b""
    watched: bytes = b""
    viewers: bytes = b""
    shares: dict[str, dict[str, Share]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one machine cut off at once.

    Attributes:
        id: unlike any other.
        node: the machine's name.
        minute: the beginning of the minute it belongs to, seconds since 1970.
        sessions: records of those that ended; see `tables.sessions`.
    """

    id: str
    node: str
    minute: int
    added: list[Added]
    sessions: list[dict[str, Any]]

    def __bool__(self) -> bool:
        return bool(self.added or self.sessions)

    def serialize(self) -> bytes:
        """One line of JSON."""
        return json.dumps(asdict(self), default=_encode, separators=(",", ":"), allow_nan=False).encode()

    @classmethod
    def parse(cls, data: bytes) -> Batch:
        """What `serialize` made.

        Raises:
            ValueError: something else.
        """
        try:
            fields = json.loads(data)
            fields["added"] = [_added(each) for each in fields["added"]]
            return cls(**fields)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"expected a batch: {error}") from None


def cut(
    audience: Audience, id: str, node: str, minute: int, now: float, *, linger_s: float = LINGER_S
) -> Batch:
    """Take what was added since the last cut; sessions that are over leave the table."""
    slots = audience.used()
    rows = audience.rows
    counted = audience.counted(slots, now)
    grown = counted - rows["cut"][slots]
    rows["cut"][slots] = counted
    added = {
        code: Added(audience.words[code], peak=peak) for code, peak in audience.since_cut.items() if peak
    }
    audience.since_cut = {code: number for code, number in audience.now.items() if number}
    marks = _marks(audience, slots, grown, minute)
    for code, group in _groups(audience, slots):
        each = added.setdefault(code, Added(audience.words[code]))
        each.counted = grown[group].sum(axis=0).tolist()
        _cut_stream(audience, each, slots[group], grown[group], marks.of(group))
    over = slots[~np.isnan(rows["ended_at"][slots]) & (rows["ended_at"][slots] <= now - linger_s)]
    sessions = _finish(audience, added, over, now)
    audience.forget(over.tolist())
    return Batch(id, node, minute, [each for each in added.values() if _has_something(each)], sessions)


@dataclass(frozen=True, slots=True)
class _Marks:
    """Of each session: whether it is a play of this cut, new in this hour, new today, and may be followed."""

    fresh: npt.NDArray[np.bool_]
    new_in_hour: npt.NDArray[np.bool_]
    new_today: npt.NDArray[np.bool_]
    followed: npt.NDArray[np.bool_]

    def of(self, group: npt.NDArray[np.bool_]) -> _Marks:
        """The marks of some of them."""
        return _Marks(self.fresh[group], self.new_in_hour[group], self.new_today[group], self.followed[group])


def _marks(audience: Audience, slots: Slots, grown: npt.NDArray[np.float64], minute: int) -> _Marks:
    """Look once at what every session is; from now on it is not new any more."""
    rows = audience.rows
    watching = ~np.isnan(rows["watching_at"][slots])
    fresh = watching & ~rows["played"][slots]
    present = watching & (np.isnan(rows["ended_at"][slots]) | (grown[:, _WATCH] > 0) | fresh)
    hour, day = minute // HOUR_S, minute // DAY_S
    new_in_hour = present & (rows["hour"][slots] != hour)
    new_today = present & (rows["day"][slots] != day)
    rows["played"][slots[fresh]] = True
    rows["hour"][slots[new_in_hour]] = hour
    rows["day"][slots[new_today]] = day
    followed = np.array([bool(_arrival(audience, slot).viewer) for slot in slots.tolist()], np.bool_)
    return _Marks(fresh, new_in_hour, new_today, followed)


def _cut_stream(
    audience: Audience, added: Added, slots: Slots, grown: npt.NDArray[np.float64], marks: _Marks
) -> None:
    fresh = slots[marks.fresh]
    added.plays = int(fresh.size)
    if fresh.size:
        rows = audience.rows
        started_ms = (rows["watching_at"][fresh] - rows["arrived_at"][fresh]) * 1000
        added.starts = Sketch.of(np.maximum(started_ms, 0.0)).serialize()
    added.viewers = _hashes(audience, slots[marks.new_in_hour]).tobytes()
    _cut_shares(audience, added, slots, grown, marks)


def _cut_shares(
    audience: Audience, added: Added, slots: Slots, grown: npt.NDArray[np.float64], marks: _Marks
) -> None:
    """By dimension: sums by value in one go; the viewers that are new today, which are few, one by one."""
    for place, dimension in enumerate(DIMENSIONS, 1):
        codes, which = np.unique(audience.rows["codes"][slots, place], return_inverse=True)
        plays = np.bincount(which, marks.fresh & marks.followed, codes.size)
        watch_s = np.bincount(which, grown[:, _WATCH] * marks.followed, codes.size)
        sent = np.bincount(which, grown[:, COLUMN["bytes"]] * marks.followed, codes.size)
        shares: dict[str, Share] = {}
        for index, code in enumerate(codes.tolist()):
            new = slots[marks.new_today & (which == index)]
            viewers = _hashes(audience, new).tobytes()
            if plays[index] or watch_s[index] or sent[index] or viewers:
                shares[audience.words[code]] = Share(
                    int(plays[index]), float(watch_s[index]), float(sent[index]), viewers
                )
        if shares:
            added.shares[dimension] = shares


def _finish(audience: Audience, added: dict[int, Added], over: Slots, now: float) -> list[dict[str, Any]]:
    if not over.size:
        return []
    counted = audience.counted(over, now)
    qualities = audience.quality(over, counted)
    starts = audience.start_ms(over)
    audience.rows["over"][over] = True
    watched = ~np.isnan(audience.rows["watching_at"][over])
    for code, group in _groups(audience, over):
        each = added.setdefault(code, Added(audience.words[code]))
        played = group & watched
        each.ended += int(played.sum())
        each.failed += int((group & ~watched).sum())
        each.qualities = Scores.of(qualities[played]).serialize()
        each.watched = Durations.of(counted[played, _WATCH]).serialize()
    return [
        _record(audience, slot, counted[index], float(qualities[index]), float(starts[index]))
        for index, slot in enumerate(over.tolist())
        if _arrival(audience, slot).viewer
    ]


def _record(
    audience: Audience, slot: int, counted: npt.NDArray[np.float64], quality: float, start_ms: float
) -> dict[str, Any]:
    arrival, row = _arrival(audience, slot), audience.rows[slot]
    sums = dict(zip(COUNTED, counted.tolist(), strict=True))
    rtt_s, visible_s = sums.pop("rtt_s"), sums["visible_s"]
    rtt, jitter, buffer = sums.pop("rtt_ms_s"), sums.pop("jitter_ms_s"), sums.pop("buffer_ms_s")
    whole = {name: round(sums[name]) for name in sums if not name.endswith("_s")}
    return {
        **{name: getattr(arrival, name) for name in Arrival.__slots__ if name not in ("session", "at")},
        "id": arrival.session,
        "started_at": float(row["arrived_at"]),
        "ended_at": float(row["ended_at"]),
        "reason": audience.ends[slot][:200],
        "join_ms": _number((float(row["watching_at"]) - float(row["arrived_at"])) * 1000),
        "start_ms": _number(start_ms),
        "quality": _number(quality),
        "rtt_ms": rtt / rtt_s if rtt_s else None,
        "jitter_ms": jitter / rtt_s if rtt_s else None,
        "buffer_ms": buffer / visible_s if visible_s else None,
        "width": int(row["width"]),
        "height": int(row["height"]),
        **sums,
        **whole,
    }


def _groups(audience: Audience, slots: Slots) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    """The sessions of each stream, and all of them under the name of `ALL`."""
    codes = audience.rows["codes"][slots, 0]
    for code in np.unique(codes).tolist():
        yield code, codes == code
    if slots.size:
        yield audience.code(ALL), np.ones(slots.size, np.bool_)


def _hashes(audience: Audience, slots: Slots) -> Hashes:
    arrivals = [_arrival(audience, slot) for slot in slots.tolist()]
    return np.array([arrival.hash for arrival in arrivals if arrival.viewer], "<u8")


def _arrival(audience: Audience, slot: int) -> Arrival:
    arrival = audience.arrivals[slot]
    assert arrival is not None
    return arrival


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value


def _has_something(added: Added) -> bool:
    return bool(added.peak or added.plays or added.failed or added.ended or any(added.counted))


def _encode(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} cannot be put into a batch")


def _added(fields: dict[str, Any]) -> Added:
    for name in ("starts", "qualities", "watched", "viewers"):
        fields[name] = base64.b64decode(fields[name])
    fields["shares"] = {
        dimension: {
            value: Share(**{**share, "viewers": base64.b64decode(share["viewers"])})
            for value, share in shares.items()
        }
        for dimension, shares in fields["shares"].items()
    }
    return Added(**fields)
