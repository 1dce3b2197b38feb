"""What a packet costs us and others, one after the other on the same machine under the same load.

    python -m loadtests compare --viewers 50 --mbps 2.5 --seconds 10 [--peers janus,aiortc] [--record]

Ours runs twice, with OpenSSL's AES-GCM and with the quickest there is. The last column is how many times what
ours costs, with the quickest. A peer that cannot bear the load shows it as loss: its figure is then too good.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from loadtests import floor
from loadtests.fanout import Load, Result, remarks, run, subject_for, table
from loadtests.peers.ours import ours
from loadtests.results import record


def measure(load: Load, peers: Sequence[str]) -> list[Result]:
    """Ours with OpenSSL, ours, then the peers."""
    with ours(load.mbps, cipher="openssl") as subject:
        results = [run(subject, load)]
    for peer in ("", *peers):
        with subject_for(peer, load.mbps) as subject:
            results.append(run(subject, load))
        sys.stderr.write(remarks(results[-1]))
    return results


def ratios(results: Sequence[Result]) -> str:
    """How many times what ours costs, as Markdown; the second result is ours."""
    own = results[1].cpu_us_per_packet
    lines = ["| | µs/packet | times ours |", "|---|---|---|"]
    lines += [
        f"| {each.name}, {each.cipher} | {each.cpu_us_per_packet:.2f} | {each.cpu_us_per_packet / own:.1f} |"
        for each in results
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    given_arguments = list(sys.argv[2:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="loadtests compare", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--mbps", type=float, default=2.5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=50.0, help="joins per second")
    parser.add_argument("--peers", default="janus,aiortc", help="with commas")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--record", action="store_true", help="into loadtests/RESULTS.md")
    given = parser.parse_args(given_arguments)
    kernel_us = floor.send_us(given.viewers, 10, 3.0)
    load = Load(given.viewers, given.mbps, given.seconds, given.rate, check_every=10)
    results = measure(load, [peer for peer in given.peers.split(",") if peer])
    kernel = f"The kernel alone, runs of 10 packets: {kernel_us:.2f} µs a packet.\n"
    body = f"{table(results)}\n{ratios(results)}\n{kernel}"
    sys.stdout.write(body)
    if given.json:
        given.json.write_text(json.dumps([asdict(result) for result in results], indent=2))
    if given.record:
        record(
            f"compare, {given.viewers} viewers",
            shlex.join(["python", "-m", "loadtests", "compare", *given_arguments]),
            body,
        )
    return 0
