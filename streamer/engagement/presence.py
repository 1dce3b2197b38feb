"""Sessions that the database does not have yet, of this machine and, by the copies they leave, of others."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamer.engagement.audience import STATE, Audience, Rows


@dataclass(frozen=True, slots=True)
class Present:
    """A session that media were sent to.

    Attributes:
        viewer: his pseudonym of the day; "" for who must not be followed.
        watching_at: seconds since 1970.
        ended_at: NaN while it goes on.
    """

    stream: str
    viewer: str
    watching_at: float
    ended_at: float

    def watch_s(self, now: float) -> float:
        """How long it was watched until now."""
        return max(0.0, (now if math.isnan(self.ended_at) else self.ended_at) - self.watching_at)


def present(audience: Audience) -> list[Present]:
    """Who is in an audience."""
    slots = audience.used()
    arrivals = [audience.arrivals[slot] for slot in slots.tolist()]
    named = ((each.stream, each.viewer) for each in arrivals if each is not None)
    return list(_present(named, audience.rows[slots]))


def present_in(copy: bytes) -> list[Present]:
    """Who was in one when a copy was made of it, see `checkpoint.py`.

    Raises:
        ValueError: not a copy, or one of another version.
    """
    try:
        first, _, rest = copy.partition(b"\n")
        _, *lines, rows = rest.split(b"\n", int(first))
        if len(lines) != int(first) - 1:
            raise ValueError(f"{len(lines)} sessions of {int(first) - 1}")
        # At once: of thousands each on its own takes several times as long.
        arrivals: list[dict[str, Any]] = json.loads(b"[" + b",".join(lines) + b"]")
        named = [(str(each["stream"]), str(each["viewer"])) for each in arrivals]
        return list(_present(named, np.frombuffer(rows, STATE)))
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"expected a copy of the audience: {error}") from None


def _present(named: Iterable[tuple[str, str]], rows: Rows) -> Iterator[Present]:
    times = zip(rows["watching_at"].tolist(), rows["ended_at"].tolist(), strict=True)
    for (stream, viewer), (watching_at, ended_at) in zip(named, times, strict=True):
        if not math.isnan(watching_at):
            yield Present(stream, viewer, watching_at, ended_at)
