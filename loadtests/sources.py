"""What taking in a publisher costs, alone and among others.

    python -m loadtests sources [--protocol srt|whip] --publishers 1,8,16 [--mbps 2.5] [--seconds 10]

Each row is a server of its own that so many encoders push to over SRT, encrypted, while nobody watches; they
send what was encoded before. Over WHIP they send noise, as a browser paces it, with DTLS and SRTP. To wake up
costs a thread as much as most of what it does then.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loadtests.peers.ours import programme
from loadtests.results import report, report_arguments
from loadtests.rig.encoder import ffmpeg_srt
from loadtests.rig.process import Process
from loadtests.rig.server import Server

_KEY, _PASSPHRASE = "key-of-the-encoder", "correct horse battery"
_SETTLE_S = 3.0
#: Publishers over WebRTC that one process makes without being late.
_MOST_IN_ONE = 8


@dataclass(frozen=True, slots=True)
class Cost:
    """What a server with so many publishers took.

    Attributes:
        publishers: how many.
        cpu_ms_per_s: of one of them: the server's whole CPU time over their number.
        session_ms_per_s: of that, threads that demultiplex, over WebRTC decrypt too, and hand on.
        network_ms_per_s: of that, libsrt's threads: receiving, decrypting, timing; or the plane's.
        wakes_per_s: how often the server's threads woke, for one of them.
        loss: share of the packets that never came, or found no room; NaN if none came at all.
    """

    publishers: int
    cpu_ms_per_s: float
    session_ms_per_s: float
    network_ms_per_s: float
    wakes_per_s: float
    loss: float


def measure(protocol: str, publishers: int, mbps: float, seconds: float) -> Cost:
    """Start a server and its encoders, and look at it for so long."""
    names = [f"cam{number}" for number in range(1, publishers + 1)]
    streams = "".join(
        f'[streams.{name}]\npublish_key = "{_KEY}"\npassphrase = "{_PASSPHRASE}"\n' for name in names
    )
    with ExitStack() as stack:
        server = stack.enter_context(Server(streams))
        for encoder in _encoders(protocol, server, names, mbps):
            stack.enter_context(encoder)
        for name in names:
            server.wait_live(name)
        time.sleep(_SETTLE_S)
        came = _packets(server, names)
        before, began = _threads(server.pid), time.monotonic()
        time.sleep(seconds)
        taken, passed = _threads(server.pid) - before, time.monotonic() - began
        packets, lost = (after - then for after, then in zip(_packets(server, names), came, strict=True))
    each = {kind: value / passed / publishers for kind, value in taken.items()}
    return Cost(
        publishers=publishers,
        cpu_ms_per_s=(each["session ns"] + each["network ns"] + each["rest ns"]) / 1e6,
        session_ms_per_s=each["session ns"] / 1e6,
        network_ms_per_s=each["network ns"] / 1e6,
        wakes_per_s=each["wakes"],
        loss=lost / (packets + lost) if packets else math.nan,
    )


def _encoders(
    protocol: str, server: Server, names: Sequence[str], mbps: float
) -> list[AbstractContextManager[object]]:
    if protocol == "whip":
        urls = [f"{server.url}/whip/{name}" for name in names]
        command = [sys.executable, "-m", "loadtests.crowd.publishing", _KEY, str(mbps)]
        groups = [urls[at : at + _MOST_IN_ONE] for at in range(0, len(urls), _MOST_IN_ONE)]
        return [Process([*command, *group]) for group in groups]
    encoders = (
        ffmpeg_srt(
            server.srt_port,
            f"#!::r={name},m=publish,s={_KEY}",
            programme(mbps),
            passphrase=_PASSPHRASE,
            recorded=True,
        )
        for name in names
    )
    return [Process(encoder.command) for encoder in encoders]


def _packets(server: Server, names: Sequence[str]) -> tuple[int, int]:
    """How many have come so far, and how many were lost."""
    counted = [_counted(server.stream(name)["publisher"]["statistics"]) for name in names]
    return sum(came for came, _ in counted), sum(lost for _, lost in counted)


def _counted(statistics: dict[str, Any]) -> tuple[int, int]:
    if (link := statistics.get("webrtc")) is not None:
        return link["packets"], link["lost"] + link["dropped"]
    link = statistics["srt"]
    return link["packets_received"], link["packets_dropped"]


def _threads(pid: int) -> Counter[str]:
    """CPU time so far by kind of thread, in nanoseconds, and how often they waited."""
    counted = Counter[str]()
    for task in Path(f"/proc/{pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        kind = "rest"
        if name.startswith(("SRT:", "plane-")):
            kind = "network"
        elif name == "python" and task.name != str(pid):
            kind = "session"
        counted[f"{kind} ns"] += int((task / "schedstat").read_text().split()[0])
        status = (task / "status").read_text()
        counted["wakes"] += int(status.partition("\nvoluntary_ctxt_switches:")[2].split(maxsplit=1)[0])
    return counted


def table(costs: Sequence[Cost], protocol: str = "srt") -> str:
    """As Markdown."""
    network = {"srt": "libsrt", "whip": "media plane"}[protocol]
    lines = [
        f"| publishers | CPU ms/s each | its session | {network} | wake-ups/s each "
        "| of the first row | lost |",
        "|---" * 7 + "|",
    ]
    lines += [
        f"| {cost.publishers} | {cost.cpu_ms_per_s:.1f} | {cost.session_ms_per_s:.1f} "
        f"| {cost.network_ms_per_s:.1f} | {cost.wakes_per_s:.0f} "
        f"| {cost.cpu_ms_per_s / costs[0].cpu_ms_per_s:.2f} | {100 * cost.loss:.2g} % |"
        for cost in costs
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="loadtests sources", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--publishers", default="1,8,16", help="how many, with commas")
    parser.add_argument("--protocol", choices=("srt", "whip"), default="srt")
    parser.add_argument("--mbps", type=float, default=2.5, help="of the picture")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each row")
    report_arguments(parser)
    given = parser.parse_args(arguments)
    counts = [int(count) for count in given.publishers.split(",")]
    costs = [measure(given.protocol, count, given.mbps, given.seconds) for count in counts]
    report(table(costs, given.protocol), [asdict(cost) for cost in costs], given)
    return 0
