"""What somebody who watches over HTTP costs, with parts (low latency) and with whole segments.

    python -m loadtests hls --viewers 50,200 [--mbps 2.5] [--seconds 10] [--record]

Each row is a server of its own with one publisher and so many viewers; what it takes without viewers is taken
off. What a viewer over WebRTC costs is `fanout`'s.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass

from loadtests.peers.ours import programme
from loadtests.peers.subject import cpu_per_s
from loadtests.results import report, report_arguments
from loadtests.rig.encoder import ffmpeg_srt
from loadtests.rig.process import Process, wait_until
from loadtests.rig.server import Server

_KEY = "key-of-the-encoder"
_STREAM = f'[streams.cam]\npublish_key = "{_KEY}"\npublic = true\n'
_SETTLE_S = 6.0
_KINDS = ("parts", "segments")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a server with so many viewers took.

    Attributes:
        viewers: how many.
        kind: "parts" or "segments", what they fetch.
        cpu_ms_per_s: of one of them, without what the server took before they came.
        mbps: what one of them got.
        left: that gave up, or were given up.
    """

    viewers: int
    kind: str
    cpu_ms_per_s: float
    mbps: float
    left: int

    @property
    def viewers_per_core(self) -> float:
        """How many a processor would serve at this cost."""
        return 1000 / self.cpu_ms_per_s if self.cpu_ms_per_s else float("inf")


def measure(viewers: int, kind: str, mbps: float, seconds: float) -> Cost:
    """Start a server, its encoder and its viewers, and look at it for so long without them and with them."""
    with ExitStack() as stack:
        server = stack.enter_context(Server(_STREAM, itself=True))
        encoder = ffmpeg_srt(server.srt_port, f"#!::r=cam,m=publish,s={_KEY}", programme(mbps), recorded=True)
        stack.enter_context(Process(encoder.command))
        server.wait_live("cam")
        time.sleep(_SETTLE_S)
        alone = cpu_per_s(server.pid, seconds)
        program = [sys.executable, "-m", "loadtests.rig.hls_viewers"]
        stack.enter_context(Process([*program, str(server.http_port), "cam", str(viewers), kind]))
        wait_until(lambda: len(server.viewers_over_hls()) == viewers, 60, "the viewers")
        time.sleep(_SETTLE_S)
        before = _bytes(server)
        together = cpu_per_s(server.pid, seconds)
        after = _bytes(server)
    got = sum(after[id] - before.get(id, 0) for id in after)
    cost = max(0.0, together - alone) * 1000 / viewers
    return Cost(viewers, kind, cost, got * 8 / seconds / viewers / 1e6, viewers - len(after))


def _bytes(server: Server) -> dict[str, int]:
    return {viewer["id"]: viewer["bytes_sent"] for viewer in server.viewers_over_hls()}


def table(costs: Sequence[Cost]) -> str:
    """As Markdown."""
    lines = ["| viewers | fetching | CPU ms/s each | viewers/core | Mb/s each | left |", "|---" * 6 + "|"]
    lines += [
        f"| {cost.viewers} | {cost.kind} | {cost.cpu_ms_per_s:.2f} | {cost.viewers_per_core:.0f} "
        f"| {cost.mbps:.2f} | {cost.left} |"
        for cost in costs
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="loadtests hls", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--viewers", default="50,200", help="how many, with commas")
    parser.add_argument("--mbps", type=float, default=2.5, help="of the picture")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each row, twice")
    report_arguments(parser)
    given = parser.parse_args(arguments)
    counts = [int(count) for count in given.viewers.split(",")]
    costs = [measure(count, kind, given.mbps, given.seconds) for kind in _KINDS for count in counts]
    report(table(costs), [asdict(cost) for cost in costs], given)
    return 0
