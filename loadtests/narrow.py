"""What a viewer sees whose line carries less than the stream takes, of ours and of a peer.

    python -m loadtests narrow [--peers ours,mediamtx,janus] [--kbps 2000,1500,1000,600] [--rtt 40]
        [--queue 200] [--seconds 60] [--mbps 2.5] [--link auto|netem|tun] [--json FILE]

The server and its encoder live in a network namespace, and Chromium watches from another one. The cable
between them is perfect at first, then carries so many kilobits a second for a while, with a queue of so many
milliseconds in front of it, and then everything again. `shown` is the share of the encoder's frames that the
video element presented while the cable was narrow, `frozen` the share of that time that Chromium counts as
freezes, `plays after` how long it took from the narrowing until four of five frames were shown again for
three seconds, `lines` the height of the picture in the end, `in full after` how long it took from the
widening until the full picture was back.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.async_api import Error as PlaywrightError

from loadtests.loss import PEERS, list_of, open_page
from loadtests.peers.impairment import Impairment
from loadtests.peers.link import Link, link
from loadtests.peers.namespace import namespace
from loadtests.peers.ours import programme
from loadtests.peers.subject import Subject
from loadtests.results import report, report_arguments
from loadtests.rig.browser import Watcher, chromium, chromium_path
from loadtests.rig.window import SAMPLE, window

_JOIN_S = 40.0
#: The browser's estimate of the line begins after some seconds.
_SETTLE_S = 10.0
#: What is waited for after the widening, at most.
_BACK_S = 120.0
#: A second in which so much of the frames was shown is one in which it plays.
_PLAYS = 0.8
_PLAYING_S = 3


@dataclass(frozen=True, slots=True)
class Second:
    """One second of a page.

    Attributes:
        shown: share of the encoder's frames.
        frozen_s: as Chromium counts it, when it is over.
        lines: height of the picture, 0 while unknown.
    """

    shown: float
    frozen_s: float
    lines: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement.

    Attributes:
        name: of the server.
        kbps: what the cable carried.
        narrow: while it was narrow.
        wide: and after that, until the full picture was back.
        full_lines: height of the full picture.
    """

    name: str
    kbps: float
    narrow: list[Second]
    wide: list[Second]
    full_lines: int

    @property
    def shown(self) -> float:
        """Share of the frames while the cable was narrow."""
        return sum(second.shown for second in self.narrow) / len(self.narrow)

    @property
    def frozen(self) -> float:
        """Share of that time."""
        return sum(second.frozen_s for second in self.narrow) / len(self.narrow)

    @property
    def plays_after_s(self) -> int | None:
        """Seconds from the narrowing; None if it never did."""
        return _first(self.narrow, lambda second: second.shown >= _PLAYS)

    @property
    def full_after_s(self) -> int | None:
        """Seconds from the widening; None if it did not come back while it was waited for."""
        return _first(self.wide, self._is_full)

    def _is_full(self, second: Second) -> bool:
        return second.shown >= _PLAYS and second.lines == self.full_lines


def _first(seconds: Sequence[Second], condition: Callable[[Second], bool]) -> int | None:
    """Where a run of seconds begins that are all so."""
    are_so = [condition(second) for second in seconds]
    starts = range(len(are_so) - _PLAYING_S + 1)
    return next((start for start in starts if all(are_so[start : start + _PLAYING_S])), None)


def table(cells: Sequence[Cell]) -> str:
    """As Markdown."""
    head = ("server", "line", "**shown**", "**frozen**", "plays after", "lines", "in full after")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    lines += [f"| {' | '.join(_row(cell))} |" for cell in cells]
    return "\n".join(lines) + "\n"


def _row(cell: Cell) -> tuple[str, ...]:
    return (
        cell.name,
        f"{cell.kbps / 1000:g} Mb/s",
        f"**{cell.shown:.1%}**",
        f"**{cell.frozen:.1%}**",
        _seconds(cell.plays_after_s),
        str(cell.narrow[-1].lines) if cell.plays_after_s is not None else "",
        _seconds(cell.full_after_s),
    )


def _seconds(value: int | None) -> str:
    return "never" if value is None else f"{value} s"


class Page:
    """What a page shows, second by second.

    Args:
        watcher: plays already.
        fps: of the encoder.
    """

    def __init__(self, watcher: Watcher, fps: float) -> None:
        self._watcher = watcher
        self._fps = fps

    async def watch(
        self, seconds: float, until: Callable[[list[Second]], bool] | None = None
    ) -> list[Second]:
        """So many seconds, or fewer where a condition is met by what was seen."""
        samples: list[dict[str, Any]] = [await self._watcher.page.evaluate(SAMPLE)]
        seen: list[Second] = []
        while len(seen) < seconds and not (until is not None and until(seen)):
            await asyncio.sleep(1.0)
            samples.append(await self._watcher.page.evaluate(SAMPLE))
            seen = [self._second(before, after) for before, after in pairwise(samples)]
        return seen

    def _second(self, before: dict[str, Any], after: dict[str, Any]) -> Second:
        seen = window(before, after, self._fps)
        return Second(seen.share, seen.frozen_s, int((after["inbound"] or {}).get("frameHeight") or 0))


async def measure(
    subject: Subject, cable: Link, kbps: float, given: argparse.Namespace, path: Path
) -> Cell | None:
    """One server, one line; None where it never played."""
    good = Impairment(rtt_ms=given.rtt)
    cable.impair(good, 1)
    async with chromium(path) as browser:
        try:
            async with asyncio.timeout(_JOIN_S):
                watcher = await open_page(browser, subject, cable.space.near)
                await watcher.wait_playing(_JOIN_S)
        except (TimeoutError, PlaywrightError) as error:
            sys.stderr.write(f"{subject.name}: no picture: {error}\n")
            return None
        page = Page(watcher, programme(given.mbps).fps)
        full_lines = (await page.watch(_SETTLE_S))[-1].lines
        cable.impair(Impairment(rtt_ms=given.rtt, kbps=kbps, queue_ms=given.queue), 1)
        narrow = await page.watch(given.seconds)
        cable.impair(good, 1)

        def is_back(seen: list[Second]) -> bool:
            return Cell(subject.name, kbps, narrow, seen, full_lines).full_after_s is not None

        wide = await page.watch(_BACK_S, is_back)
        return Cell(subject.name, kbps, narrow, wide, full_lines)


def run(name: str, given: argparse.Namespace) -> list[Cell]:
    """All lines of one server, which is another one for each: nothing is left of the line before."""
    cells = []
    for kbps in given.kbps:
        with (
            tempfile.TemporaryDirectory() as folder,
            namespace() as space,
            # The cable first: a server may look at its addresses once, when it starts.
            link(space, given.link) as cable,
            PEERS[name](given.mbps, space, cable.space.near) as subject,
        ):
            path = cable.space.program(Path(folder), chromium_path())
            cell = asyncio.run(measure(subject, cable, kbps, given, path))
        if cell is not None:
            cells.append(cell)
            sys.stderr.write(table(cells[-1:]).splitlines()[-1] + "\n")
    return cells


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was asked for; lists are separated by commas."""
    parser = argparse.ArgumentParser(prog="loadtests narrow", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers", type=list_of(str, PEERS), default=["ours"])
    parser.add_argument("--kbps", type=list_of(float), default=[2000.0, 1500.0, 1000.0, 600.0])
    parser.add_argument("--rtt", type=float, default=40.0, help="milliseconds")
    parser.add_argument("--queue", type=float, default=200.0, help="milliseconds")
    parser.add_argument("--seconds", type=float, default=60.0, help="that the line is narrow")
    parser.add_argument("--mbps", type=float, default=2.5)
    parser.add_argument("--link", choices=("auto", "netem", "tun"), default="auto")
    report_arguments(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    given = parse(arguments)
    cells = [cell for name in given.peers for cell in run(name, given)]
    report(table(cells), [asdict(cell) for cell in cells], given)
    return 0 if cells else 1
