"""What taking in a publisher costs, alone and among others.

    python -m loadtests sources --publishers 1,8,16 [--mbps 2.5] [--seconds 10] [--record]

Each row is a server of its own that so many encoders push to over SRT, encrypted, while nobody watches; they
send what was encoded before. To wake up costs a thread as much as most of what it does then.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtests.peers.ours import programme
from loadtests.results import report, report_arguments
from loadtests.rig.encoder import ffmpeg_srt
from loadtests.rig.process import Process
from loadtests.rig.server import Server

_KEY, _PASSPHRASE = "key-of-the-encoder", "correct horse battery"
_SETTLE_S = 3.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a server with so many publishers took.

    Attributes:
        publishers: how many.
        cpu_ms_per_s: of one of them: the server's whole CPU time over their number.
        session_ms_per_s: of that, threads that demultiplex and hand on.
        libsrt_ms_per_s: of that, libsrt's threads: receiving, decrypting, timing.
        wakes_per_s: how often the server's threads woke, for one of them.
    """

    publishers: int
    cpu_ms_per_s: float
    session_ms_per_s: float
    libsrt_ms_per_s: float
    wakes_per_s: float


def measure(publishers: int, mbps: float, seconds: float) -> Cost:
    """Start a server and its encoders, and look at it for so long."""
    names = [f"cam{number}" for number in range(1, publishers + 1)]
    streams = "".join(
        f'[streams.{name}]\npublish_key = "{_KEY}"\npassphrase = "{_PASSPHRASE}"\n' for name in names
    )
    with ExitStack() as stack:
        server = stack.enter_context(Server(streams))
        for name in names:
            encoder = ffmpeg_srt(
                server.srt_port,
                f"#!::r={name},m=publish,s={_KEY}",
                programme(mbps),
                passphrase=_PASSPHRASE,
                recorded=True,
            )
            stack.enter_context(Process(encoder.command))
        for name in names:
            server.wait_live(name)
        time.sleep(_SETTLE_S)
        before, began = _threads(server.pid), time.monotonic()
        time.sleep(seconds)
        taken, passed = _threads(server.pid) - before, time.monotonic() - began
    each = {kind: value / passed / publishers for kind, value in taken.items()}
    return Cost(
        publishers=publishers,
        cpu_ms_per_s=(each["session ns"] + each["libsrt ns"] + each["rest ns"]) / 1e6,
        session_ms_per_s=each["session ns"] / 1e6,
        libsrt_ms_per_s=each["libsrt ns"] / 1e6,
        wakes_per_s=each["wakes"],
    )


def _threads(pid: int) -> Counter[str]:
    """CPU time so far by kind of thread, in nanoseconds, and how often they waited."""
    counted = Counter[str]()
    for task in Path(f"/proc/{pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        kind = "libsrt" if name.startswith("SRT:") else "session" if name == "python" else "rest"
        if task.name == str(pid):
            kind = "rest"
        counted[f"{kind} ns"] += int((task / "schedstat").read_text().split()[0])
        status = (task / "status").read_text()
        counted["wakes"] += int(status.partition("\nvoluntary_ctxt_switches:")[2].split(maxsplit=1)[0])
    return counted


def table(costs: Sequence[Cost]) -> str:
    """As Markdown."""
    lines = [
        "| publishers | CPU ms/s each | its session | libsrt | wake-ups/s each | of the first row |",
        "|---" * 6 + "|",
    ]
    lines += [
        f"| {cost.publishers} | {cost.cpu_ms_per_s:.1f} | {cost.session_ms_per_s:.1f} "
        f"| {cost.libsrt_ms_per_s:.1f} | {cost.wakes_per_s:.0f} "
        f"| {cost.cpu_ms_per_s / costs[0].cpu_ms_per_s:.2f} |"
        for cost in costs
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="loadtests sources", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--publishers", default="1,8,16", help="how many, with commas")
    parser.add_argument("--mbps", type=float, default=2.5, help="of the picture")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each row")
    report_arguments(parser)
    given = parser.parse_args(arguments)
    counts = [int(count) for count in given.publishers.split(",")]
    costs = [measure(count, given.mbps, given.seconds) for count in counts]
    report(table(costs), [asdict(cost) for cost in costs], given)
    return 0
