"""What is reported of an audience against what really happened, and what that costs.

python -m loadtests engagement audience [--viewers 200] [--seconds 60] [--disrupt redis|node]
python -m loadtests engagement cost [--viewers 2000]
python -m loadtests engagement nodes [--viewers 100000] [--nodes 20]
python -m loadtests engagement year [--streams 100] [--postgresql URL]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from loadtests.audience import cost, nodes, server_cost, year
from loadtests.audience.measure import measure
from loadtests.results import report, report_arguments
from loadtests.rig.redis import redis
from loadtests.rig.server import free_ports
from ops.database import open_database

_WORST = 15
_LIMIT_MS = 300.0
_LIMIT_SHARE = 0.03


def _audience(given: argparse.Namespace) -> int:
    found = measure(given.viewers or 200, given.seconds, given.disrupt)
    shown = found.compared
    if given.disrupt:
        shown = sorted(shown, key=lambda each: -each.off)[:_WORST]
    lines = ["| figure | truth | reported | off | allowed |", "|---|---|---|---|---|"]
    for each in shown:
        off = f"{each.off:.2%}" if each.holds else f"**{each.off:.2%}**"
        lines.append(f"| {each.name} | {each.truth:.7g} | {each.reported:.7g} | {off} | {each.allowed:.0%} |")
    failures = found.failures
    lines += ["", f"{len(found.visits)} sessions of {given.viewers or 200} viewers, {len(failures)} failed"]
    lines += sorted(set(failures))
    if found.overflowed:
        lines += [f"{found.overflowed} packets were lost in the viewers: this machine was too slow"]
    if given.disrupt:
        lines += [f"{found.disruption}; the {_WORST} figures that are most off are shown"]
    wrong = sum(not each.holds for each in found.compared)
    lines += [f"{wrong} of {len(found.compared)} figures are off by more than allowed", ""]
    report("\n".join(lines), [asdict(each) for each in found.compared], given)
    return 1 if wrong else 0


def _cost(given: argparse.Namespace) -> int:
    viewers = given.viewers or 2000
    real = server_cost.measure(viewers, min(given.seconds, 10.0))
    alone = asyncio.run(cost.measure(viewers))
    kinds = {
        "without engagement": real.without,
        "players that say nothing": real.watching,
        "players that report": real.reporting,
    }
    lines = ["| of one core | engagement, metered | event loop | whole server | viewers |", "|---" * 5 + "|"]
    for name, each in kinds.items():
        shares = f"**{each.metered:.2%}** | {each.loop:.1%} | {each.server:.1%} | {each.crowd:.1%}"
        lines.append(f"| {name} | {shares} |")
    lines += [
        "",
        f"{min(real.viewers)} of {viewers} viewers watched. Counting alone, without a server: "
        f"{alone.steady:.2%}, and {alone.churning:.2%} while 1 % of the viewers is replaced every second.",
        "",
    ]
    report("\n".join(lines), {"server": asdict(real), "alone": asdict(alone)}, given)
    enough = min(real.viewers) == viewers
    return 0 if enough and max(real.reporting.metered, alone.steady) < _LIMIT_SHARE else 1


def _nodes(given: argparse.Namespace) -> int:
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as folder, redis(port, Path(folder)):
        url = f"redis://127.0.0.1:{port}/0"
        found = asyncio.run(nodes.simulate(url, given.nodes, given.viewers or 100_000))
    text = (
        f"{found.viewers} viewers on {found.nodes} machines, {found.people} different ones: "
        f"{found.counted} counted live, {found.plays} plays, {found.unique} different ones by Redis, "
        f"{found.unique_sql} by the database, {found.watch_s:.0f} s watched of {found.truth_s:.0f} s; "
        f"took {found.seconds:.0f} s\n"
    )
    report(text, asdict(found), given)
    near = abs(found.unique - found.people) <= 0.02 * found.people
    near &= abs(found.unique_sql - found.people) <= 0.02 * found.people
    whole = found.counted == found.plays == found.viewers
    return 0 if near and whole and abs(found.watch_s - found.truth_s) <= 0.01 * found.truth_s else 1


def _year(given: argparse.Namespace) -> int:
    async def run(url: URL) -> tuple[int, dict[str, float]]:
        engine = await open_database(url)
        now = time.time()
        written = await year.fill(engine, given.streams, now)
        took = await year.ask(engine, now)
        await engine.dispose()
        return written, took

    with tempfile.TemporaryDirectory() as folder:
        url = (
            make_url(given.postgresql)
            if given.postgresql
            else URL.create("sqlite", database=f"{folder}/year.db")
        )
        written, took = asyncio.run(run(url))
    lines = [
        f"{url.get_backend_name()}, {given.streams} streams, {written} rows",
        "",
        "| question | ms |",
        "|---|---|",
    ]
    lines += [
        f"| {name} | {took_ms:.0f} |"
        for name, took_ms in sorted(took.items(), key=lambda each: -each[1])[:12]
    ]
    report("\n".join(lines) + "\n", took, given)
    return 0 if max(took.values()) < _LIMIT_MS else 1


_DOES = {"audience": _audience, "cost": _cost, "nodes": _nodes, "year": _year}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="loadtests engagement", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=_DOES)
    parser.add_argument("--viewers", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument(
        "--disrupt", choices=("", "redis", "node"), default="", help="what is killed in the middle"
    )
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--postgresql", default="", help="the URL of an empty database")
    report_arguments(parser)
    given = parser.parse_args(arguments)
    if given.record == "engagement":
        given.record = f"engagement {given.what}{f', {given.disrupt} killed' if given.disrupt else ''}"
    return _DOES[given.what](given)
