"""What is reported of an audience against what really happened, and what that costs.

python -m loadtests engagement audience [--viewers 200] [--seconds 60] [--disrupt redis|node]
python -m loadtests engagement cost [--viewers 2000]
python -m loadtests engagement nodes [--viewers 100000] [--nodes 20]
python -m loadtests engagement year [--streams 100] [--postgresql | --database URL [--fill]]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from loadtests.audience import asked, cost, nodes, server_cost, year
from loadtests.audience.measure import measure
from loadtests.results import report, report_arguments
from loadtests.rig.redis import redis
from loadtests.rig.server import Server, free_ports
from ops.storage.database import open_database

_KEY = "key-of-the-encoder"
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
    size = year.Size(given.streams)
    now = time.time()
    with _year_url(given) as url:
        written, began = asyncio.run(_fill(url, size, now)), time.perf_counter()
        if given.fill:
            return 0
        streams = "".join(f'[streams.{each}]\npublish_key = "{_KEY}"\n' for each in size.names)
        at = url.render_as_string(hide_password=False)
        # Always the same key, as the database may be kept.
        vault = f'[vault]\nkey_command = ["printf", "{"0" * 64}"]\n'
        with Server(f"{vault}[database]\nurl = {json.dumps(at)}\n{streams}") as server:
            answers = asked.ask("127.0.0.1", server.http_port, server.token, "stream-7", now)
    slowest = max(each.max_ms for each in answers)
    lines = [
        f"{url.get_backend_name()}, {given.streams} streams, {written:,} rows: {len(answers)} questions, "
        f"each 5 times over HTTP, the slowest {slowest:.0f} ms, {time.perf_counter() - began:.0f} s in all",
        "",
        "| the slowest questions | p50 ms | max ms | KB |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {each.question} | {each.p50_ms:.0f} | {each.max_ms:.0f} | {each.size_bytes / 1000:.0f} |"
        for each in sorted(answers, key=lambda each: -each.max_ms)[: given.most]
    ]
    report("\n".join(lines) + "\n", [asdict(each) for each in answers], given)
    return 0 if slowest < _LIMIT_MS else 1


async def _fill(url: URL, size: year.Size, now: float) -> int:
    engine = await open_database(url)
    try:
        return await year.fill(engine, size, now)
    finally:
        await engine.dispose()


@contextmanager
def _year_url(given: argparse.Namespace) -> Iterator[URL]:
    if given.database:
        yield make_url(given.database)
    elif given.postgresql:
        # A cluster of its own, as the tests have it.
        from tests.rigs.postgresql import cluster

        with cluster() as own:
            yield own.url()
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield URL.create("sqlite", database=f"{folder}/year.db")


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
    parser.add_argument("--postgresql", action="store_true", help="instead of SQLite")
    parser.add_argument("--database", default="", help="the URL of one that is empty or has its year already")
    parser.add_argument("--fill", action="store_true", help="give it its year and ask nothing")
    parser.add_argument("--most", type=int, default=20, help="rows of the table")
    report_arguments(parser)
    given = parser.parse_args(arguments)
    if given.record == "engagement":
        given.record = f"engagement {given.what}{f', {given.disrupt} killed' if given.disrupt else ''}"
    return _DOES[given.what](given)
