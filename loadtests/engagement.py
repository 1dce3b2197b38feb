"""What is reported of an audience against what really happened, and what that costs.

python -m loadtests engagement audience [--viewers 200] [--seconds 60]
python -m loadtests engagement cost [--viewers 2000]
python -m loadtests engagement nodes [--viewers 100000] [--nodes 20]
python -m loadtests engagement year [--streams 100] [--postgresql | --database URL [--fill]]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from loadtests.audience import asked, cost, nodes, scripted, year
from loadtests.results import report, report_arguments
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import wait_until
from loadtests.rig.server import Server, free_ports
from ops.database import open_database

_KEY = "key-of-the-encoder"
_STREAMS = f'[streams.cam]\npublish_key = "{_KEY}"\npublic = true\n'
_LIMIT_MS = 300.0
_LIMIT_SHARE = 0.03


def _audience(given: argparse.Namespace) -> int:
    viewers = given.viewers or 200
    with Server(_STREAMS) as server:
        stream_id = f"#!::r=cam,m=publish,s={_KEY}"
        with ffmpeg_srt(server.srt_port, stream_id, Programme(size="160x90", bitrate_kbps=200)):
            server.wait_live("cam")
            began = time.time() - 1
            truth = asyncio.run(
                scripted.play(f"{server.url}/whep/cam", scripted.plan(viewers, given.seconds))
            )
            # What a player says after its end is waited for.
            time.sleep(4)
            path = f"/api/v1/analytics/streams/cam?from={began}&to={time.time()}"
            told = server.request("GET", path)[1]
    compared = truth.compare(told)
    lines = ["| | reported | truth | off | allowed |", "|---|---|---|---|---|"]
    lines += [
        f"| {c.name} | {c.reported:.4g} | {c.truth:.4g} | {c.off:.2%} | {c.allowed:.0%} |" for c in compared
    ]
    failed = [visit.failed for visit in truth.visits if visit.failed]
    lines += ["", f"{len(truth.visits)} sessions of {viewers} viewers, {len(failed)} of which failed", ""]
    report("\n".join(lines), [asdict(each) for each in compared], given)
    return 0 if all(each.holds for each in compared) else 1


def _cost(given: argparse.Namespace) -> int:
    found = asyncio.run(cost.measure(given.viewers or 2000))
    text = (
        f"{found.viewers} viewers, players report every 10 s: {found.steady:.2%} of one core; "
        f"while 1 % of them is replaced every second: {found.churning:.2%}\n"
    )
    report(text, asdict(found), given)
    return 0 if found.steady < _LIMIT_SHARE else 1


def _nodes(given: argparse.Namespace) -> int:
    with _redis() as url:
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


@contextmanager
def _redis() -> Iterator[str]:
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        log = Path(folder) / "log"
        with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
            try:
                wait_until(lambda: b"Ready to accept" in log.read_bytes(), 20, "Redis")
                yield f"redis://127.0.0.1:{port}/0"
            finally:
                process.kill()


_DOES = {"audience": _audience, "cost": _cost, "nodes": _nodes, "year": _year}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="loadtests engagement", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=_DOES)
    parser.add_argument("--viewers", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--postgresql", action="store_true", help="instead of SQLite")
    parser.add_argument("--database", default="", help="the URL of one that is empty or has its year already")
    parser.add_argument("--fill", action="store_true", help="give it its year and ask nothing")
    parser.add_argument("--most", type=int, default=20, help="rows of the table")
    report_arguments(parser)
    given = parser.parse_args(arguments)
    return _DOES[given.what](given)
