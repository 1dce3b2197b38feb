"""What a packet costs us and others, one after the other on the same machine under the same load.

    python -m loadtests compare --viewers 1000 --peer-viewers 50 [--peers janus,aiortc] [--record]

Ours runs twice, with OpenSSL's AES-GCM and with the quickest there is. The last column is how many times what
ours costs, with the quickest. Peers get a number of viewers that they can bear on the machine; a packet costs
them about the same with few viewers as with many, while what an idle server costs weighs on ours.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace

from loadtests import floor
from loadtests.fanout import Load, Result, remarks, run, subject_for, table
from loadtests.peers.ours import ours
from loadtests.results import report, report_arguments


def measure(load: Load, peers: Sequence[str], peer_viewers: int) -> list[Result]:
    """Ours with OpenSSL, ours, then the peers, those with so many viewers."""
    with ours(load.mbps, cipher="openssl") as subject:
        results = [run(subject, load)]
    for peer in ("", *peers):
        with subject_for(peer, load.mbps) as subject:
            results.append(run(subject, replace(load, viewers=peer_viewers) if peer else load))
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
    parser = argparse.ArgumentParser(prog="loadtests compare", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--peer-viewers", type=int, default=50)
    parser.add_argument("--mbps", type=float, default=2.5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=200.0, help="joins per second")
    parser.add_argument("--peers", default="janus,aiortc", help="with commas")
    report_arguments(parser)
    given = parser.parse_args(arguments)
    kernel_us = floor.send_us(given.viewers, 10, 3.0)
    load = Load(given.viewers, given.mbps, given.seconds, given.rate)
    results = measure(load, [peer for peer in given.peers.split(",") if peer], given.peer_viewers)
    kernel = f"The kernel alone, runs of 10 packets: {kernel_us:.2f} µs a packet.\n"
    body = f"{table(results)}\n{ratios(results)}\n{kernel}"
    report(body, [asdict(result) for result in results], given)
    return 0
