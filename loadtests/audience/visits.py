"""An audience by plan: who comes when, by what line, for how long, and what he will say of it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from loadtests.crowd.line import Line
from loadtests.crowd.tally import Counts
from streamer.engagement.sketch import STEPS_S

#: What people watch with: User-Agent, and what should be made of it.
AGENTS = (
    ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "desktop", "Firefox"),
    ("Mozilla/5.0 (Linux; Android 15) Chrome/142.0 Mobile Safari/537.36", "phone", "Chrome"),
    ("Mozilla/5.0 (iPad; CPU OS 18_0) AppleWebKit/605.1 Version/18.0 Safari/604.1", "tablet", "Safari"),
    ("GStreamer souphttpsrc 1.22", "program", "GStreamer"),
)
_SHORTEST_S = 2.0
#: Nobody leaves so near to a second that the retention curve asks about.
_BESIDE_S = 0.4
_AGAIN_S = 3.0
#: The server's default for `k_threshold`.
_TOLD_OF = 5


@dataclass(frozen=True, slots=True)
class Said:
    """What a viewer's player will report: shares of the time he watches; `start_ms` on top of the join."""

    frozen: float
    freezes: int
    decoded: int
    dropped: int
    audible: float
    visible: float
    start_ms: float
    buffer_ms: float


@dataclass(slots=True)
class Visit:
    """One viewing session: planned, and as it went.

    Attributes:
        person: who watches; some come twice.
        arrives_s, watches_s: from the beginning, and for how long.
        agent: of `AGENTS`.
        plis: how often he will ask for a keyframe.
        said: None for who has another player.
        asked_at, began_at, ended_at: time.time(); 0 before.
        join_ms: from asking to the first media packet.
        samples: by the second of the clock, what had come when it began.
        counts: what came in the end.
        failed: why, "" if it did not.
        cut_off: the server was killed meanwhile.
    """

    person: int
    arrives_s: float
    watches_s: float
    line: Line
    agent: tuple[str, str, str] = AGENTS[0]
    plis: int = 0
    said: Said | None = None
    asked_at: float = 0.0
    began_at: float = 0.0
    ended_at: float = 0.0
    join_ms: float = 0.0
    samples: dict[int, Counts] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    failed: str = ""
    cut_off: bool = False

    @property
    def watched_s(self) -> float:
        """For how long."""
        return self.ended_at - self.began_at

    @property
    def headers(self) -> dict[str, str]:
        """What he shows."""
        return headers_of(self.person, self.agent[0])

    def beacon(self, watched_s: float) -> dict[str, object]:
        """What his player reports at the end."""
        assert self.said is not None
        return {
            "last": True,
            "watch_s": watched_s,
            "frozen_s": self.said.frozen * self.watches_s,
            "freezes": self.said.freezes,
            "decoded": self.said.decoded,
            "dropped": self.said.dropped,
            "audible_s": self.said.audible * self.watches_s,
            "visible_s": self.said.visible * self.watches_s,
            "first_frame_ms": self.join_ms + self.said.start_ms,
            "buffer_ms": self.said.buffer_ms,
        }

    def sent_until(self, at: int) -> Counts:
        """What had come when a second of the clock began."""
        if self.ended_at and at >= self.ended_at:
            return self.counts
        return self.samples.get(at, Counts())


def headers_of(person: int, agent: str = AGENTS[0][0]) -> dict[str, str]:
    """What tells a person from the others: an address, as a proxy would tell it, and a browser."""
    return {"X-Forwarded-For": f"198.18.{person // 250}.{person % 250 + 1}", "User-Agent": agent}


def plan(viewers: int, seconds: float, seed: int = 6) -> list[Visit]:
    """Arrivals over the first two fifths, watch times up to a half; every tenth comes again, later."""
    dice = random.Random(seed)
    visits = []
    # So many that each has viewers enough to be told of.
    agents = AGENTS[: max(1, min(len(AGENTS), viewers // _TOLD_OF))]
    for person in range(viewers):
        arrives_s = (person + dice.uniform(0.2, 0.8)) * 0.4 * seconds / viewers
        watches_s = _beside(min(seconds / 2, max(_SHORTEST_S, dice.expovariate(3 / seconds))))
        agent = agents[person % len(agents)]
        first = Visit(person, arrives_s, watches_s, _line(dice), agent, person % 3)
        if person % 2 == 0:
            first.said = _said(dice, watches_s)
        visits.append(first)
        if person % 10 == 0:
            again_s = arrives_s + first.line.setup_s + watches_s + 2.0
            visits.append(Visit(person, again_s, _AGAIN_S, _line(dice), agent))
    return visits


def _line(dice: random.Random) -> Line:
    return Line(
        setup_s=dice.uniform(1.0, 3.0),
        rtt_ms=dice.uniform(400, 800),
        jitter_ms=dice.uniform(5, 15),
        loss=dice.choice((0.0, 0.02, 0.05, 0.10)),
        seed=dice.getrandbits(32),
    )


def _said(dice: random.Random, watches_s: float) -> Said:
    return Said(
        frozen=dice.choice((0.0, 0.0, 0.05, 0.10)),
        freezes=dice.randrange(4),
        decoded=round(30 * watches_s),
        dropped=dice.randrange(20),
        audible=dice.uniform(0, 0.8),
        visible=dice.uniform(0.2, 0.9),
        start_ms=dice.uniform(50, 300),
        buffer_ms=dice.uniform(50, 200),
    )


def _beside(seconds: float) -> float:
    for step in STEPS_S:
        if abs(seconds - step) < _BESIDE_S:
            return step + _BESIDE_S if seconds >= step else step - _BESIDE_S
    return seconds
