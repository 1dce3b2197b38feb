"""What somebody who reads a stream over SRT costs, as another machine of a cluster does.

    python -m loadtests readers --readers 1,10,40 [--mbps 2.5] [--seconds 10] [--record]

Each row is a server of its own with one publisher and so many readers, all encrypted with AES-256; what it
takes without readers is taken off. `dropped` are packets that were given up, of all readers together.
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

_KEY, _PASSPHRASE = "key-of-the-encoder", "correct horse battery"
_STREAM = f'[streams.cam]\npublish_key = "{_KEY}"\npassphrase = "{_PASSPHRASE}"\npublic = true\n'
_SETTLE_S = 3.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a server with so many readers took.

    Attributes:
        readers: how many.
        cpu_ms_per_s: of one of them, without what the server took before they came.
        us_per_packet: the same for each packet that was sent to one.
        dropped: packets given up, of all of them.
    """

    readers: int
    cpu_ms_per_s: float
    us_per_packet: float
    dropped: int


def measure(readers: int, mbps: float, seconds: float) -> Cost:
    """Start a server, its encoder and its readers, and look at it for so long without them and with them."""
    with ExitStack() as stack:
        server = stack.enter_context(Server(_STREAM, itself=True))
        encoder = ffmpeg_srt(
            server.srt_port,
            f"#!::r=cam,m=publish,s={_KEY}",
            programme(mbps),
            passphrase=_PASSPHRASE,
            recorded=True,
        )
        stack.enter_context(Process(encoder.command))
        server.wait_live("cam")
        time.sleep(_SETTLE_S)
        alone = cpu_per_s(server.pid, seconds)
        callers = (str(server.srt_port), "read:cam", _PASSPHRASE, str(readers))
        stack.enter_context(Process([sys.executable, "-m", "loadtests.rig.srt_readers", *callers]))
        wait_until(lambda: len(_links(server)) == readers, 60, "the readers")
        time.sleep(_SETTLE_S)
        before = _links(server)
        together = cpu_per_s(server.pid, seconds)
        after = _links(server)
    sent = sum(link["packets_sent"] - before[id]["packets_sent"] for id, link in after.items())
    dropped = sum(link["packets_dropped"] for link in after.values())
    taken = max(0.0, together - alone)
    return Cost(readers, taken * 1000 / readers, taken * seconds * 1e6 / sent, dropped)


def _links(server: Server) -> dict[str, dict[str, int]]:
    _, found = server.request("GET", "/api/v1/readers")
    return {reader["id"]: reader["statistics"] for reader in found["readers"]}


def table(costs: Sequence[Cost]) -> str:
    """As Markdown."""
    lines = ["| readers | CPU ms/s each | CPU µs/packet | dropped |", "|---" * 4 + "|"]
    lines += [
        f"| {cost.readers} | {cost.cpu_ms_per_s:.1f} | {cost.us_per_packet:.1f} | {cost.dropped} |"
        for cost in costs
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="loadtests readers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--readers", default="1,10,40", help="how many, with commas")
    parser.add_argument("--mbps", type=float, default=2.5, help="of the picture")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each row, twice")
    report_arguments(parser)
    given = parser.parse_args(arguments)
    counts = [int(count) for count in given.readers.split(",")]
    costs = [measure(count, given.mbps, given.seconds) for count in counts]
    report(table(costs), [asdict(cost) for cost in costs], given)
    return 0
