"""A copy of the audience's table on disk, second by second: a server that was killed loses none of it.

What is found at the next start was left by a process that ended without saying so: its sessions ended when
the copy was made. They are cut off under the name that process would have given its next batch. Had it
already cut that one, the database takes the first of the two that comes, and nothing counts twice. Another
machine that finds a copy cannot know whether the process is no more; see `rescues.py`.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamer.engagement.audience import STATE, Audience
from streamer.engagement.batch import Batch, cut
from streamer.engagement.session import Arrival

#: Why sessions ended whose server was killed.
KILLED = "the server ended without notice"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process stood.

    Attributes:
        boot: names the process.
        batch: number of its next batch.
        minute: that it belongs to.
        at: when, seconds since 1970.
    """

    node: str
    boot: str
    batch: int
    minute: int
    at: float

    @property
    def batch_id(self) -> str:
        """The name of its next batch."""
        return f"{self.boot}.{self.batch}"


class Copier:
    """Makes copies. What never changes of a session is written down once."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._slots = audience.used()
        self._lines: dict[str, bytes] = {}
        self._text = b""
        self._revision = -1

    def copy(self, place: Place) -> bytes:
        """The table as it is."""
        audience = self._audience
        if audience.revision != self._revision:
            self._look_who_is_there()
        head = {
            "place": asdict(place),
            "words": audience.words,
            "ends": self._ends(),
            "since_cut": audience.since_cut,
        }
        first = f"{1 + len(self._lines)}\n{json.dumps(head)}\n".encode()
        return b"".join((first, self._text, audience.rows[self._slots].tobytes()))

    def _look_who_is_there(self) -> None:
        audience, known = self._audience, self._lines
        self._slots = audience.used()
        arrivals = [audience.arrivals[slot] for slot in self._slots.tolist()]
        self._lines = {
            each.session: known.get(each.session) or json.dumps(each.fields()).encode() + b"\n"
            for each in arrivals
            if each is not None
        }
        self._text = b"".join(self._lines.values())
        self._revision = audience.revision

    def _ends(self) -> dict[int, str]:
        """Why sessions ended, by their place in the copy."""
        ends = self._audience.ends
        ended = np.flatnonzero(np.isin(self._slots, list(ends))).tolist() if ends else []
        return {place: ends[int(self._slots[place])] for place in ended}


def write(path: Path, data: bytes) -> None:
    """Replace the copy before."""
    temporary = path.with_suffix(".tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    temporary.rename(path)


def without(data: bytes, account_id: str) -> bytes | None:
    """A copy in which a person's sessions are nobody's; None when there are none, or it is no copy."""
    if account_id.encode() not in data:
        return None
    try:
        first, _, rest = data.partition(b"\n")
        head, *lines = rest.split(b"\n", int(first))[:-1]
        rows = rest[sum(len(line) + 1 for line in (head, *lines)) :]
        arrivals = [Arrival(**json.loads(line)) for line in lines]
    except (ValueError, TypeError):
        return None
    for place, arrival in enumerate(arrivals):
        if arrival.account == account_id:
            nobody = Arrival(arrival.session, arrival.stream, arrival.at, arrival.protocol)
            lines[place] = json.dumps(nobody.fields()).encode()
    return b"\n".join([first, head, *lines, rows])


def recover(data: bytes) -> Batch:
    """The last batch of a process that is no more.

    Raises:
        ValueError: not a copy, or one of another version.
    """
    place, audience = _parse(data)
    for arrival in [each for each in audience.arrivals if each is not None]:
        audience.leave(arrival.session, KILLED)
    return cut(audience, place.batch_id, place.node, place.minute, place.at, linger_s=0.0)


def _parse(data: bytes) -> tuple[Place, Audience]:
    reader = io.BytesIO(data)
    try:
        lines = [reader.readline() for _ in range(int(reader.readline()))]
        head: dict[str, Any] = json.loads(lines[0])
        place = Place(**head["place"])
        arrivals = [Arrival(**json.loads(line)) for line in lines[1:]]
        rows = np.frombuffer(reader.read(), STATE).copy()
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ValueError(f"expected a copy of the audience: {error}") from None
    if len(rows) != len(arrivals):
        raise ValueError(f"expected {len(arrivals)} rows, these are {len(rows)}")
    audience = Audience(_standing(place.at))
    for arrival, row in zip(arrivals, rows, strict=True):
        audience.arrive(arrival, int(row["peer"]))
    # The rows' codes stand for the words of the process that is gone.
    slots = audience.used()
    codes = np.array([audience.code(word) for word in head["words"]], np.int32)
    audience.rows[slots] = rows
    audience.rows["codes"][slots] = codes[rows["codes"]]
    audience.ends = {int(slots[int(index)]): why for index, why in head["ends"].items()}
    audience.since_cut = {int(codes[int(code)]): peak for code, peak in head["since_cut"].items()}
    watching = slots[~np.isnan(rows["watching_at"]) & np.isnan(rows["ended_at"])]
    for slot in watching.tolist():
        for stream in (int(audience.rows["codes"][slot, 0]), audience.code("")):
            audience.now[stream] = audience.now.get(stream, 0) + 1
    return place, audience


def _standing(at: float) -> Callable[[], float]:
    return lambda: at
