"""What somebody costs who reads a stream over SRT, RTSP or HLS, with us and with another server.

    python -m loadtests outputs [--over srt,rtsp,hls-parts,hls-segments] [--readers 10,50] [--peers mediamtx]

Each row is a server of its own with one publisher and so many readers; what it takes without readers is
taken off. Over SRT everything is encrypted with AES-256; the others read in the clear. `hls-parts` are
players that know low latency, `hls-segments` those that do not. The readers count what they get. What a
viewer over WebRTC costs is `fanout`'s.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial

from loadtests.peers.mediamtx import mediamtx, require
from loadtests.peers.ours import PASSPHRASE, ours
from loadtests.peers.subject import Subject, cpu_per_s
from loadtests.results import report, report_arguments
from loadtests.rig.process import Process, wait_until
from loadtests.rig.receipts import last

_SETTLE_S = 5.0
_PROGRAMS = {
    "srt": ("srt_readers",),
    "rtsp": ("rtsp_readers",),
    "hls-parts": ("hls_readers", "parts"),
    "hls-segments": ("hls_readers", "segments"),
}
_PEERS: dict[str, Callable[..., AbstractContextManager[Subject]]] = {"mediamtx": mediamtx}


@dataclass(frozen=True, slots=True)
class Cost:
    """What a server with so many readers took.

    Attributes:
        over: as it is asked for, "hls-parts" for example.
        readers: how many.
        server: whose.
        idle_ms_per_s: of processor time, with the publisher alone.
        cpu_ms_per_s: of one reader, without that.
        mbps: of payload, what a reader got.
    """

    over: str
    readers: int
    server: str
    idle_ms_per_s: float
    cpu_ms_per_s: float
    mbps: float

    @property
    def readers_per_core(self) -> float:
        """How many a processor would serve at this cost."""
        return 1000 / self.cpu_ms_per_s if self.cpu_ms_per_s else float("inf")


def measure(
    server: Callable[..., AbstractContextManager[Subject]],
    over: str,
    readers: int,
    mbps: float,
    seconds: float,
) -> Cost:
    """Start a server, its encoder and its readers, and look at it for so long without them and with them."""
    protocol, _, _ = over.partition("-")
    module, *kind = _PROGRAMS[over]
    with server(mbps, audio="aac", passphrase=PASSPHRASE if over == "srt" else "") as subject:
        assert subject.pid is not None
        time.sleep(_SETTLE_S)
        alone = cpu_per_s(subject.pid, seconds)
        program = [sys.executable, "-m", f"loadtests.rig.{module}", subject.outputs[protocol]]
        with Process([*program, str(readers), *kind]) as crowd:
            wait_until(lambda: last(crowd.output).readers == readers, 60, f"readers over {over}")
            time.sleep(_SETTLE_S)
            before, began = last(crowd.output), time.monotonic()
            together = cpu_per_s(subject.pid, seconds)
            after, took_s = last(crowd.output), time.monotonic() - began
            if not crowd.running:
                raise RuntimeError(f"the readers ended:\n{crowd.output[-2000:]}")
    got = (after.payload_bytes - before.payload_bytes) * 8 / 1e6 / took_s / readers
    each = max(0.0, together - alone) * 1000 / readers
    return Cost(over, readers, subject.name, alone * 1000, each, got)


def table(costs: Sequence[Cost]) -> str:
    """As Markdown; `times ours` is told of every other server's row after ours of the same kind."""
    head = (
        "over",
        "readers",
        "server",
        "publisher alone ms/s",
        "**CPU ms/s each**",
        "readers/core",
        "Mb/s each",
    )
    lines = [f"| {' | '.join(head)} | times ours |", "|---" * (len(head) + 1) + "|"]
    for cost in costs:
        own = next(each for each in costs if (each.over, each.readers) == (cost.over, cost.readers))
        times = cost.cpu_ms_per_s / own.cpu_ms_per_s if own.cpu_ms_per_s else float("nan")
        lines.append(
            f"| {cost.over} | {cost.readers} | {cost.server} | {cost.idle_ms_per_s:.1f} "
            f"| **{cost.cpu_ms_per_s:.2f}** | {cost.readers_per_core:.0f} | {cost.mbps:.2f} | {times:.1f} |"
        )
    return "\n".join(lines) + "\n"


def chosen(text: str, of: Sequence[str]) -> list[str]:
    """Names with commas between them.

    Raises:
        argparse.ArgumentTypeError: one of them is none of those.
    """
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in of:
            raise argparse.ArgumentTypeError(f"{name!r}, expected some of {', '.join(of)}")
    return names


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="loadtests outputs", description=(__doc__ or "").splitlines()[0])
    of_output = partial(chosen, of=list(_PROGRAMS))
    parser.add_argument("--over", type=of_output, default=list(_PROGRAMS), help="which, with commas")
    parser.add_argument("--readers", default="10,50", help="how many, with commas")
    parser.add_argument("--mbps", type=float, default=2.5, help="of the picture")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each row, twice")
    of_peer = partial(chosen, of=list(_PEERS))
    parser.add_argument("--peers", type=of_peer, default=[], help="other servers: mediamtx")
    report_arguments(parser)
    given = parser.parse_args(arguments)
    if given.peers:
        try:
            require()  # before the first minutes are spent
        except RuntimeError as error:
            parser.error(str(error))
    servers = [ours, *(_PEERS[name] for name in given.peers)]
    costs = [
        measure(server, over, int(readers), given.mbps, given.seconds)
        for over in given.over
        for readers in given.readers.split(",")
        for server in servers
    ]
    report(table(costs), [asdict(cost) for cost in costs], given)
    return 0
