"""What is left of the picture when the network loses packets, for ours and for a peer.

    python -m loadtests loss [--peers ours,janus,mediamtx] [--loss 1,5,10] [--rtt 20,60,150]
        [--patterns random,bursty] [--seconds 20] [--mbps 2.5] [--link auto|netem|tun] [--json FILE]

The server and its encoder live in a network namespace. One Chromium watches through a cable that loses and
delays packets in both directions (`peers/link.py` says how, and why each packet of a GSO run is lost on its
own); another one watches the same stream beside the server, without a cable, all the time. Each cell opens a
new page on the bad side, lets it settle, and compares its statistics at both ends of a window. `shown` is the
share of the encoder's frames that the video element presented, `frozen` the share of the time that Chromium
counts as freezes. `lost` is what the cable really lost toward the browser. Ours is judged by what it
promises: the exit code is 1 when a measured cell breaks it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from playwright.async_api import Browser
from playwright.async_api import Error as PlaywrightError
from yarl import URL

from loadtests.peers.impairment import Impairment
from loadtests.peers.janus import janus
from loadtests.peers.janus_page import open_janus_page
from loadtests.peers.link import Link, link
from loadtests.peers.mediamtx import mediamtx
from loadtests.peers.namespace import Namespace, namespace
from loadtests.peers.ours import ours, programme
from loadtests.peers.subject import Subject
from loadtests.peers.whep_page import open_whep_page
from loadtests.results import report, report_arguments
from loadtests.rig.browser import Watcher, chromium, chromium_path
from loadtests.rig.window import SAMPLE, Window, window

_T = TypeVar("_T")
PEERS = {"ours": ours, "janus": janus, "mediamtx": mediamtx}
#: Packets lost in a row, on average, where they are lost in bursts.
_BURST_PACKETS = 4.0
_PATTERNS = {"random": 1.0, "bursty": _BURST_PACKETS}
#: The join burst, the first repairs and the browser's jitter estimate are over by then.
_SETTLE_S = 4.0
_JOIN_S = 40.0
_SEED = 20_240_229


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement.

    Attributes:
        name: of the server.
        pattern: "random" or "bursty".
        lost: share of packets that the cable lost toward the browser and back.
        bad: the page behind the bad cable, None if it never played.
        clean: the other one.
        server: what the server says of the viewer behind the bad cable, if it says anything.
    """

    name: str
    pattern: str
    impairment: Impairment
    lost: tuple[float, float]
    bad: Window | None
    clean: Window
    server: dict[str, Any] = field(default_factory=dict)


def broken(cell: Cell) -> list[str]:
    """What we promise and this cell does not show."""
    problems = []
    impairment, bad = cell.impairment, cell.bad
    if bad is None or bad.share < 0.5:
        problems.append("does not play")
    elif cell.pattern == "random" and (impairment.loss, impairment.rtt_ms) == (0.05, 60):
        if bad.share < 0.95:
            problems.append(f"{bad.share:.1%} of the frames shown, 95 % promised")
        if bad.frozen >= 0.01:
            problems.append(f"frozen {bad.frozen:.1%} of the time, less than 1 % promised")
    if cell.clean.missing or cell.clean.freezes:
        problems.append(f"the clean viewer: {cell.clean.missing} lost, {cell.clean.freezes} freezes")
    return [f"{cell.name}, {_conditions(cell)}: {problem}" for problem in problems]


def _conditions(cell: Cell) -> str:
    way = ", over TCP" if cell.bad is not None and cell.bad.protocol == "tcp" else ""
    return f"{100 * cell.impairment.loss:g} % {cell.pattern}, {cell.impairment.rtt_ms:g} ms{way}"


def table(cells: Sequence[Cell]) -> str:
    """As Markdown."""
    head = (
        *("server", "loss, RTT", "lost", "fps shown", "**shown**", "freezes", "**frozen**"),
        *("PLIs", "NACKs", "repeated", "buffer ms", "clean: shown", "lost", "freezes"),
    )
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    lines += [f"| {' | '.join(_row(cell))} |" for cell in cells]
    return "\n".join(lines) + "\n"


def _row(cell: Cell) -> tuple[str, ...]:
    bad, clean = cell.bad, cell.clean
    told: tuple[str, ...] = ("", "**0.0%**", "", "**100.0%**", *("",) * 4)
    if bad is not None and bad.seconds:
        told = (
            f"{bad.shown / bad.seconds:.1f}",
            f"**{bad.share:.1%}**",
            str(bad.freezes),
            f"**{bad.frozen:.1%}**",
            *(str(count) for count in (bad.plis, bad.nacks, bad.retransmitted)),
            f"{bad.buffer_ms:.0f}",
        )
    about_clean = (f"{clean.share:.1%}", str(clean.missing), str(clean.freezes))
    return (cell.name, _conditions(cell), f"{cell.lost[0]:.1%}", *told, *about_clean)


class Bench:
    """One server with both viewers in place.

    Args:
        subject: the server.
        cable: the bad one.
        browser: behind the bad cable.
        clean: a page that plays already.
        fps: of the encoder.
    """

    def __init__(self, subject: Subject, cable: Link, browser: Browser, clean: Watcher, fps: float) -> None:
        self._subject = subject
        self._cable = cable
        self._browser = browser
        self._clean = clean
        self._fps = fps

    async def measure(self, pattern: str, impairment: Impairment, seconds: float) -> Cell:
        """Open a page under these conditions and watch it for a while."""
        self._cable.impair(impairment, _SEED)
        watcher: Watcher | None = None
        try:
            async with asyncio.timeout(_JOIN_S):
                watcher = await open_page(self._browser, self._subject, self._cable.space.near)
                await watcher.wait_playing(_JOIN_S)
        except (TimeoutError, PlaywrightError) as error:
            sys.stderr.write(f"{self._subject.name}: no picture: {error}\n")
        await asyncio.sleep(_SETTLE_S)
        traffic = self._cable.traffic()
        before = await self._sample(watcher)
        await asyncio.sleep(seconds)
        after = await self._sample(watcher)
        lost = self._cable.traffic().loss_since(traffic)
        server = await asyncio.to_thread(self._server)
        if watcher is not None:
            await watcher.close()
        bad, clean = (
            window(then, now, self._fps) if then and now else None
            for then, now in zip(before, after, strict=True)
        )
        assert clean is not None
        return Cell(self._subject.name, pattern, impairment, lost, bad, clean, server)

    async def _sample(self, watcher: Watcher | None) -> tuple[Any, Any]:
        pages = [watcher.page.evaluate(SAMPLE) if watcher else _nothing(), self._clean.page.evaluate(SAMPLE)]
        bad, clean = await asyncio.gather(*pages)
        return bad, clean

    def _server(self) -> dict[str, Any]:
        viewers = self._subject.viewers() if self._subject.viewers is not None else []
        far = self._cable.space.far
        return next((viewer for viewer in viewers if viewer["address"].startswith(far)), {})


async def _nothing() -> None:
    return None


async def open_page(browser: Browser, subject: Subject, host: str) -> Watcher:
    """Open what plays the stream, at this address of the server's."""
    if subject.signalling == "janus":
        return await open_janus_page(browser, str(URL(subject.url).with_host(host)))
    if not subject.page:
        return await open_whep_page(browser, str(URL(subject.url).with_host(host)))
    return await Watcher.open(browser, str(URL(subject.page).with_host(host)))


async def matrix(
    subject: Subject,
    space: Namespace,
    cable: Link,
    conditions: Sequence[tuple[str, Impairment]],
    seconds: float,
    fps: float,
) -> list[Cell]:
    """All cells of one server; each line of the table goes to standard error as it comes."""
    with tempfile.TemporaryDirectory() as name:
        programs = []
        for where in (cable.space, space):
            (folder := Path(name) / where.name).mkdir()
            programs.append(where.program(folder, chromium_path()))
        async with chromium(programs[0]) as browser, chromium(programs[1]) as clean_browser:
            clean = await open_page(clean_browser, subject, cable.space.near)
            await clean.wait_playing()
            bench = Bench(subject, cable, browser, clean, fps)
            cells = []
            for pattern, impairment in conditions:
                cells.append(await bench.measure(pattern, impairment, seconds))
                sys.stderr.write(table(cells[-1:]).splitlines()[-1] + "\n")
            return cells


def run(name: str, conditions: Sequence[tuple[str, Impairment]], given: argparse.Namespace) -> list[Cell]:
    """Start a server, measure all cells."""
    fps = programme(given.mbps).fps
    with (
        namespace() as space,
        # The cable first: a server may look at its addresses once, when it starts.
        link(space, given.link) as cable,
        PEERS[name](given.mbps, space, cable.space.near) as subject,
    ):
        sys.stderr.write(f"{subject.name} ({subject.plane}, {subject.cipher}), cable: {cable.kind}\n")
        return asyncio.run(matrix(subject, space, cable, conditions, given.seconds, fps))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was asked for; lists are separated by commas."""
    parser = argparse.ArgumentParser(prog="loadtests loss", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers", type=list_of(str, PEERS), default=["ours", "janus"])
    parser.add_argument("--loss", type=list_of(float), default=[1.0, 5.0, 10.0], help="percent")
    parser.add_argument("--rtt", type=list_of(float), default=[20.0, 60.0, 150.0], help="milliseconds")
    parser.add_argument("--patterns", type=list_of(str, _PATTERNS), default=list(_PATTERNS))
    parser.add_argument("--seconds", type=float, default=20.0, help="per cell")
    parser.add_argument("--mbps", type=float, default=2.5)
    parser.add_argument("--link", choices=("auto", "netem", "tun"), default="auto")
    report_arguments(parser)
    return parser.parse_args(arguments)


def list_of(kind: Callable[[str], _T], known: Collection[str] = ()) -> Callable[[str], list[_T]]:
    """Reads a list of an argument; of what is `known`, where that is said."""

    def read(text: str) -> list[_T]:
        items = text.split(",")
        if known and not set(items) <= set(known):
            raise argparse.ArgumentTypeError(f"{text!r}, expected some of {','.join(known)}")
        return [kind(item) for item in items]

    return read


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    given = parse(arguments)
    conditions = [
        (pattern, Impairment(percent / 100, _PATTERNS[pattern], rtt_ms))
        for pattern, percent, rtt_ms in product(given.patterns, given.loss, given.rtt)
    ]
    cells = [cell for name in given.peers for cell in run(name, conditions, given)]
    problems = [problem for cell in cells if cell.name == "Streamer" for problem in broken(cell)]
    found = "".join(f"\n{problem}\n" for problem in problems)
    report(table(cells) + found, [asdict(cell) for cell in cells], given)
    return 1 if problems else 0
