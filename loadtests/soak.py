"""Whether a server gives back what viewers cost it: they come and go for minutes.

    python -m loadtests soak --viewers 100 --minutes 10 [--rate 20] [--peer janus|aiortc|URL] [--json FILE]

Up to so many watch at a time; each round half of them leave and others come. A sample is taken when a round's
leavers are gone, so that every sample sees as many viewers. The slope is a least-squares line through them,
without the first quarter, in which pools fill.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from loadtests.crowd.driver import Driver, crowd
from loadtests.fanout import arguments_of, subject_for
from loadtests.peers.subject import Subject, Usage
from loadtests.results import report

_REST_S = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The server after a round.

    Attributes:
        at_s: since the soak began.
        joins: viewers that came so far.
        failed: viewers that could not join so far.
    """

    at_s: float
    joins: int
    failed: int
    rss_kb: float
    threads: int
    descriptors: int


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Of the least-squares line; 0 when all xs are the same."""
    if not xs:
        return 0.0
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - x_mean) ** 2 for x in xs)
    return sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0


def soak(subject: Subject, driver: Driver, viewers: int, rate: float, seconds: float) -> list[Sample]:
    """Let viewers come and go.

    Raises:
        ValueError: a server whose process is not here.
    """
    if subject.pid is None:
        raise ValueError("soak watches the server's process, which has to run on this machine")
    start = time.monotonic()
    half = max(1, viewers // 2)
    samples: list[Sample] = []
    first = driver.join(viewers - half, rate)
    joins, failed = first.joined, sum(first.failed.values())
    while time.monotonic() - start < seconds or len(samples) < 4:
        outcome = driver.join(half, rate)
        joins, failed = joins + outcome.joined, failed + sum(outcome.failed.values())
        driver.leave(half)
        time.sleep(_REST_S)
        usage = Usage.of(subject.pid)
        at_s = time.monotonic() - start
        samples.append(Sample(at_s, joins, failed, usage.rss_bytes / 1024, usage.threads, usage.descriptors))
    return samples


def table(samples: Sequence[Sample]) -> str:
    """First and last sample and the slopes, as Markdown."""
    settled = samples[len(samples) // 4 :]
    minutes = [sample.at_s / 60 for sample in settled]
    joins = [float(sample.joins) for sample in settled]
    lines = ["| | first | last | per minute | per 1000 joins |", "|---|---|---|---|---|"]
    for name, field in (("RSS KB", "rss_kb"), ("threads", "threads"), ("descriptors", "descriptors")):
        values = [float(getattr(sample, field)) for sample in settled]
        lines.append(
            f"| {name} | {values[0]:.0f} | {values[-1]:.0f} | {slope(minutes, values):+.1f} "
            f"| {1000 * slope(joins, values):+.1f} |"
        )
    last = samples[-1]
    return "\n".join(lines) + f"\n\n{last.joins} joins, {last.failed} failed, {last.at_s / 60:.1f} minutes\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="loadtests soak", description=(__doc__ or "").splitlines()[0])
    arguments_of(parser)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=20.0, help="joins per second")
    parser.set_defaults(viewers=100)
    given = parser.parse_args(arguments)
    with (
        subject_for(given.peer, given.mbps, given.host) as subject,
        crowd(
            subject.url, signalling=subject.signalling, host=subject.host, check_every=given.check_every
        ) as driver,
    ):
        samples = soak(subject, driver, given.viewers, given.rate, given.minutes * 60)
    report(table(samples), [asdict(sample) for sample in samples], given)
    return 1 if samples[-1].failed else 0
