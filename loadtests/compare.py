"""What a packet costs us and others, one after the other on the same machine under the same load.

    python -m loadtests compare --viewers 1000 [--peers janus=66,aiortc=25] [--record]

Ours runs twice, with OpenSSL's AES-GCM and with the quickest there is. The last column is how many times what
ours costs, with the quickest. A packet costs more on a machine that is busy, so every peer gets as many
viewers as keep about as much of it busy as ours does, one processor of two; or fewer if that is more than it
can bear: one that is behind leaves out work, and seems cheap.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from loadtests import floor
from loadtests.fanout import Load, Result, remarks, run, subject_for, table
from loadtests.peers.ours import ours
from loadtests.results import report, report_arguments


def measure(load: Load, peers: Mapping[str, int]) -> list[Result]:
    """Ours with OpenSSL, ours, then the peers, each with so many viewers."""
    with ours(load.mbps, cipher="openssl") as subject:
        results = [run(subject, load)]
    for peer, viewers in {"": load.viewers, **peers}.items():
        with subject_for(peer, load.mbps) as subject:
            results.append(run(subject, replace(load, viewers=viewers)))
        sys.stderr.write(remarks(results[-1]))
    return results


def peers_of(text: str) -> dict[str, int]:
    """Peers and how many viewers each gets, from such as "janus=66,aiortc=25".

    Raises:
        argparse.ArgumentTypeError: it is written otherwise.
    """
    peers = {}
    for part in filter(None, text.split(",")):
        name, _, viewers = part.partition("=")
        if not viewers.isdecimal():
            raise argparse.ArgumentTypeError(f"{part!r}, expected a peer and its viewers, such as janus=66")
        peers[name] = int(viewers)
    return peers


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
    parser.add_argument("--mbps", type=float, default=2.5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=200.0, help="joins per second")
    parser.add_argument(
        "--peers", type=peers_of, default="janus=66,aiortc=25", help="and how many viewers each gets"
    )
    report_arguments(parser)
    given = parser.parse_args(arguments)
    kernel_us = floor.send_us(given.viewers, 10, 3.0)
    load = Load(given.viewers, given.mbps, given.seconds, given.rate)
    results = measure(load, given.peers)
    kernel = f"The kernel alone, runs of 10 packets: {kernel_us:.2f} µs a packet.\n"
    body = f"{table(results)}\n{ratios(results)}\n{kernel}"
    report(body, [asdict(result) for result in results], given)
    return 0
