"""An audience of real WHEP viewers with known arrivals and watch times, and what the server says of it."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

from loadtests.crowd.crowd import Whep
from loadtests.crowd.dtls import Identity
from loadtests.crowd.viewer import Viewer


@dataclass(slots=True)
class Visit:
    """One viewing session: planned, and as it went.

    Attributes:
        person: who watches; some come twice.
        arrives_s, watches_s: from the beginning, and for how long.
        asked_at, began_at, ended_at: time.time(); 0 before.
    """

    person: int
    arrives_s: float
    watches_s: float
    asked_at: float = 0.0
    began_at: float = 0.0
    ended_at: float = 0.0
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure."""

    name: str
    reported: float
    truth: float
    allowed: float

    @property
    def off(self) -> float:
        """By which share of the truth the report is off."""
        return abs(self.reported - self.truth) / self.truth if self.truth else float(self.reported != 0)

    @property
    def holds(self) -> bool:
        """Whether that is as little as promised."""
        return self.off <= self.allowed


@dataclass(slots=True)
class Truth:
    """What really happened."""

    visits: list[Visit] = field(default_factory=list)

    def compare(self, told: dict[str, Any]) -> list[Compared]:
        """The server's figures beside the truth."""
        went = [visit for visit in self.visits if not visit.failed]
        watched = [visit.ended_at - visit.began_at for visit in went]
        shares = {point["seconds"]: point["share"] for point in told["retention"]}
        longer = sum(each > 10 for each in watched) / len(watched)
        return [
            Compared("plays", told["plays"], len(went), 0.01),
            Compared("unique viewers", told["unique_viewers"], len({visit.person for visit in went}), 0.02),
            Compared("watch seconds", told["watch_seconds"], sum(watched), 0.01),
            Compared("average watch seconds", told["average_watch_seconds"], statistics.mean(watched), 0.01),
            Compared("peak viewers", told["peak_viewers"], self.peak(), 0.01),
            Compared("still watching after 10 s", shares[10], longer, 0.01),
        ]

    def peak(self) -> int:
        """The most at once."""
        went = [visit for visit in self.visits if not visit.failed]
        changes = sorted([(visit.began_at, 1) for visit in went] + [(visit.ended_at, -1) for visit in went])
        now = most = 0
        for _, change in changes:
            now += change
            most = max(most, now)
        return most


def plan(viewers: int, seconds: float, seed: int = 6) -> list[Visit]:
    """Arrivals over the first half, watch times up to half of it; every tenth comes a second time, later."""
    dice = random.Random(seed)
    visits = []
    for person in range(viewers):
        arrives_s = dice.uniform(0, seconds / 2)
        watches_s = min(seconds / 2, max(2.0, dice.expovariate(4 / seconds)))
        visits.append(Visit(person, arrives_s, watches_s))
        if person % 10 == 0:
            visits.append(Visit(person, arrives_s + watches_s + 1.0, 3.0))
    return visits


def headers_of(person: int) -> dict[str, str]:
    """What tells a person from the others: an address, as a proxy would tell it."""
    return {"X-Forwarded-For": f"198.18.{person // 250}.{person % 250 + 1}", "User-Agent": "crowd"}


async def play(url: str, visits: list[Visit]) -> Truth:
    """Let them come and go."""
    identity = Identity()
    whep = Whep(url)
    start = time.time()

    async def visit(each: Visit, number: int) -> None:
        await asyncio.sleep(max(0.0, start + each.arrives_s - time.time()))
        viewer = Viewer(identity, "127.0.0.1", checks=False)
        each.asked_at = time.time()
        try:
            await whep.join(viewer, number, headers_of(each.person))
            each.began_at = time.time()
            await asyncio.sleep(each.watches_s)
            await whep.leave(viewer)
            each.ended_at = time.time()
        except (OSError, ValueError) as error:
            each.failed = f"{type(error).__name__}: {error}"
        finally:
            viewer.close()

    try:
        await asyncio.gather(*(visit(each, number) for number, each in enumerate(visits)))
    finally:
        await whep.close()
    return Truth(visits)
