"""What a packet costs us and others, one after the other on the same machine under the same load.

    python -m loadtests compare --viewers 1000 [--peers janus=90,mediamtx=110,aiortc=35] [--record]

Ours runs twice, with OpenSSL's AES-GCM and with the quickest there is. The second table tells how many times
what ours costs with the quickest: a packet, and a viewer, for not every server makes equally many packets of
one stream.

A virtual machine is not the same from one minute to the next, by a third and more. So all of them run in
turn, for some rounds; ratios are taken within a round, and the middle one counts. The table shows of each
server the run whose cost is in the middle.

A packet costs more on a machine that is busy, so every peer gets as many viewers as keep about as much of it
busy as ours does, what the viewers take included; or fewer if that is more than it can bear: one that is
behind leaves out work, and seems cheap.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from loadtests import floor
from loadtests.fanout import Load, Result, remarks, run, subject_for, table
from loadtests.peers import janus, mediamtx
from loadtests.peers.ours import ours
from loadtests.results import report, report_arguments

#: Of servers that are installed for this alone.
_REQUIRE = {"janus": janus.require, "mediamtx": mediamtx.require}


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
    """Peers and how many viewers each gets, from such as "janus=90,aiortc=35".

    Raises:
        argparse.ArgumentTypeError: it is written otherwise, or a peer is not known.
    """
    peers = {}
    for part in filter(None, text.split(",")):
        name, _, viewers = part.partition("=")
        if not name or not viewers.isdecimal():
            raise argparse.ArgumentTypeError(f"{part!r}, expected a peer and its viewers, such as janus=90")
        try:
            subject_for(name, 1.0)  # which starts nothing yet
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        peers[name] = int(viewers)
    return peers


def middle(rounds: Sequence[Sequence[Result]]) -> list[Result]:
    """Of every server the run whose cost is in the middle."""
    return [
        sorted(runs, key=lambda each: each.cpu_us_per_packet)[(len(runs) - 1) // 2]
        for runs in zip(*rounds, strict=True)
    ]


def ratios(rounds: Sequence[Sequence[Result]]) -> str:
    """How many times what ours costs in the same round, as Markdown; the second result of a round is ours."""
    lines = [
        "| | µs/packet | times ours | in its rounds | viewers/core | times ours | in its rounds |",
        "|---" * 7 + "|",
    ]
    for place, each in enumerate(middle(rounds)):
        packet = [runs[place].cpu_us_per_packet / runs[1].cpu_us_per_packet for runs in rounds]
        viewer = [runs[1].viewers_per_core / runs[place].viewers_per_core for runs in rounds]
        lines.append(
            f"| {each.name}, {each.cipher} | {each.cpu_us_per_packet:.2f} | {_times(packet)} | "
            f"{each.viewers_per_core:.0f} | {_times(viewer)} |"
        )
    return "\n".join(lines) + "\n"


def stolen(rounds: Sequence[Sequence[Result]]) -> str:
    """How quiet the machine was, as a sentence."""
    rows = [", ".join(f"{each.stolen_share:.1%}" for each in runs) for runs in rounds]
    return f"The machine's host took for others, run by run: {'; '.join(rows)}."


def _times(times: Sequence[float]) -> str:
    return f"{statistics.median(times):.1f} | {', '.join(f'{one:.1f}' for one in times)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="loadtests compare", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--mbps", type=float, default=2.5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=200.0, help="joins per second")
    parser.add_argument(
        "--peers", type=peers_of, default="janus=90,aiortc=35", help="and how many viewers each gets"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often all of them run")
    report_arguments(parser)
    given = parser.parse_args(arguments)
    if given.rounds < 1:
        parser.error(f"--rounds is {given.rounds}, expected at least 1")
    try:
        for require in (_REQUIRE[peer] for peer in given.peers if peer in _REQUIRE):
            require()  # before the first minutes are spent
    except RuntimeError as error:
        parser.error(str(error))
    load = Load(given.viewers, given.mbps, given.seconds, given.rate)
    rounds, kernel_us = [], []
    for _ in range(given.rounds):
        alone = floor.send_us(given.viewers, 10, 3.0), floor.send_us(given.viewers, 10, 3.0, per_s=floor.FPS)
        kernel_us.append(alone)
        rounds.append(measure(load, given.peers))
    kernel = ", ".join(f"{most:.2f}/{paced:.2f}" for most, paced in kernel_us)
    body = (
        f"{table(middle(rounds))}\n{ratios(rounds)}\n"
        f"The kernel alone, runs of 10 packets, before each round: {kernel} µs a packet, without a pause and "
        f"with {floor.FPS} runs a second to each. {stolen(rounds)}\n"
    )
    report(body, [[asdict(result) for result in results] for results in rounds], given)
    return 0
