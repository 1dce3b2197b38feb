"""What it costs to relay one stream to many destinations.

    python -m loadtests relay --relays 50 --mbps 4 --seconds 15 [--bare] [--json FILE]
    python -m loadtests relay --disrupt [--cut 20] [--away 60]

The server gets one stream by SRT and pushes it to a sink in a process of its own, which shakes hands for real
and counts the bytes that come. With `--bare` there is no server: only the pushes, in a process that makes the
units itself. Processor time is utime + stime of the pushing process; on loopback a good part of the receiving
side's is in it as well. With `--disrupt` nothing is counted: line, receiver and publisher go away, see
`relay_disrupt.py`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loadtests.peers.ours import programme
from loadtests.relay_disrupt import disrupt, render
from loadtests.results import report, report_arguments
from loadtests.rig.encoder import ffmpeg_srt
from loadtests.rig.process import Process, wait_until
from loadtests.rig.server import Server, free_ports

_KEY, _PASSPHRASE = "key-of-the-encoder", "correct horse battery"
_STREAM = f"""
[streams.cam]
publish_key = "{_KEY}"
passphrase = "{_PASSPHRASE}"
"""
_RELAY = """
[[streams.cam.relays]]
name = "sink-{number}"
url = "rtmp://127.0.0.1:{port}/live"
key = "key-{number}"
when = "publishing"
"""
_SETTLE_S = 3.0


@dataclass(frozen=True, slots=True)
class Result:
    """One run.

    Attributes:
        subject: "server" or "pushes alone".
        publishing: publications open in the sink all the time.
        cores: processors the pushing process kept busy.
        idle_cores: of them, what the server used for the publisher alone; NaN for pushes alone.
        mbps_per_relay: counted by the sink.
        dropped: units left out; -1 where it is not told.
        late_ms: the most that the process was late with a unit; NaN where it is not told.
    """

    subject: str
    publishing: int
    cores: float
    idle_cores: float
    mbps_per_relay: float
    dropped: int
    late_ms: float


class Sink(Process):
    """`loadtests.rig.rtmp_sink` in a process of its own."""

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        super().__init__([sys.executable, "-m", "loadtests.rig.rtmp_sink", str(self.port)])

    def tally(self) -> dict[str, int]:
        """The last complete line it wrote."""
        lines = self.output.rpartition("\n")[0].splitlines()
        last: dict[str, int] = json.loads(lines[-1]) if lines else {"publishing": -1, "bytes": 0}
        return last


def relay(relays: int, mbps: float, seconds: float) -> Result:
    """Measure the server."""
    with Sink() as sink:
        wait_until(lambda: sink.tally()["publishing"] >= 0, 20, "the sink")
        with Server(_STREAM) as server:
            stream_id = f"#!::r=cam,m=publish,s={_KEY}"
            fed = programme(mbps, "aac")
            with ffmpeg_srt(server.srt_port, stream_id, fed, passphrase=_PASSPHRASE):
                server.wait_live("cam")
                idle, _ = _measure(server.pid, sink, min(seconds, 5.0))
                tables = "".join(_RELAY.format(number=n, port=sink.port) for n in range(relays))
                server.configure(_STREAM + tables)
                wait_until(lambda: sink.tally()["publishing"] == relays, 40, f"{relays} publications")
                time.sleep(_SETTLE_S)
                cores, bits = _measure(server.pid, sink, seconds)
                dropped = _dropped(server)
                publishing = sink.tally()["publishing"]
    return Result(
        subject="server",
        publishing=publishing,
        cores=cores,
        idle_cores=idle,
        mbps_per_relay=bits / relays / 1e6,
        dropped=dropped,
        late_ms=math.nan,
    )


def bare(relays: int, mbps: float, seconds: float) -> Result:
    """Measure the pushes alone."""
    with Sink() as sink:
        wait_until(lambda: sink.tally()["publishing"] >= 0, 20, "the sink")
        url = f"rtmp://127.0.0.1:{sink.port}/live"
        numbers = [str(relays), str(mbps), str(seconds)]
        with Process([sys.executable, "-m", "loadtests.rig.bare_pushes", url, *numbers]) as pushes:
            wait_until(lambda: sink.tally()["publishing"] == relays, 40, f"{relays} publications")
            if pushes.wait(seconds + 60):
                raise RuntimeError("the pushes failed")
            said = json.loads(pushes.output.splitlines()[-1])
    return Result(
        subject="pushes alone",
        publishing=relays,
        cores=said["cores"],
        idle_cores=math.nan,
        mbps_per_relay=said["mbps"],
        dropped=int(said["dropped"]),
        late_ms=said["late_ms"],
    )


def _measure(pid: int, sink: Sink, seconds: float) -> tuple[float, float]:
    """Processors kept busy, and bits per second that the sink got, over a while."""
    began, used, there = time.monotonic(), _used_s(pid), sink.tally()["bytes"]
    time.sleep(seconds)
    elapsed = time.monotonic() - began
    return (_used_s(pid) - used) / elapsed, (sink.tally()["bytes"] - there) * 8 / elapsed


def _used_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _dropped(server: Server) -> int:
    status, body = server.request("GET", "/api/v1/relays")
    if status != 200:
        return -1
    counts: list[Any] = [
        each.get("statistics", {}).get("pictures_dropped", 0) or 0 for each in body["relays"]
    ]
    return sum(counts)


def _render(result: Result, relays: int, mbps: float) -> str:
    rows = {
        "publications": f"{result.publishing} of {relays}",
        "to each": f"{result.mbps_per_relay:.2f} Mb/s of {mbps:g} and sound",
        "processors": f"{result.cores:.2f}",
        "of them for the publisher alone": f"{result.idle_cores:.2f}",
        "units dropped": str(result.dropped) if result.dropped >= 0 else "not told",
        "latest unit": f"{result.late_ms:.1f} ms",
    }
    lines = [
        f"| {name} | {value} |" for name, value in rows.items() if value != "nan" and "nan " not in value
    ]
    return f"{result.subject}\n\n| | |\n|---|---|\n" + "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="loadtests relay", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--relays", type=int, default=50)
    parser.add_argument("--mbps", type=float, default=4.0, help="of the picture")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--bare", action="store_true", help="the pushes alone, without a server")
    parser.add_argument("--disrupt", action="store_true", help="take line, receiver and publisher away")
    parser.add_argument("--cut", type=float, default=20.0, metavar="S", help="for how long the line is cut")
    parser.add_argument("--away", type=float, default=60.0, metavar="S", help="for how long nobody publishes")
    report_arguments(parser)
    given = parser.parse_args(arguments)
    if given.disrupt:
        found = disrupt(given.cut, given.away)
        report(render(found), asdict(found), given)
        return 0 if found.good else 1
    result = (bare if given.bare else relay)(given.relays, given.mbps, given.seconds)
    report(_render(result, given.relays, given.mbps), asdict(result), given)
    return 0 if result.publishing == given.relays else 1
