"""What it costs to serve many viewers at once.

    python -m loadtests.fanout [--viewers 200] [--mbps 2.5] [--seconds 10] [--json FILE]

Viewers join a real server over WHEP, with ICE and DTLS, answer consent checks and send receiver reports.
Every twentieth decrypts and checks all it gets; at the others the kernel drops media before it is copied (a
classic BPF filter). Reported is the server's CPU time, from /proc, per packet that it handed to the kernel;
on loopback that includes the kernel's receiving side, which runs in the sender's time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp

from loadtests.rig.crowd import Crowd, Joined
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.server import Server

_KEY = "key-of-the-encoder"
_PASSPHRASE = "correct horse battery"
_STREAM = f"""
[streams.cam]
publish_key = "{_KEY}"
passphrase = "{_PASSPHRASE}"
public = true
"""
_STREAM_ID = f"#!::r=cam,m=publish,s={_KEY}"


@dataclass(frozen=True)
class Result:
    """One measurement.

    Attributes:
        cpu_us_per_packet: of the server, with everything it does, encoder and viewers apart.
        cpu_share: of one core.
        idle_cpu_share: the same with the stream live and nobody watching.
        rss_kb_per_viewer: growth of the server's resident memory.
        checked_packets: decrypted by the viewers that check, `lost_packets` missing among them.
    """

    plane: str
    cipher: str
    viewers: int
    seconds: float
    packets: int
    packets_per_s: float
    mbps_per_viewer: float
    cpu_us_per_packet: float
    cpu_share: float
    idle_cpu_share: float
    joins_per_s: float
    join_ms_p50: float
    join_ms_p99: float
    join_cpu_ms: float
    rss_kb_per_viewer: float
    checked_packets: int
    lost_packets: int
    undecipherable: int
    dropped_packets: int


def cpu_s(pid: int) -> float:
    """CPU time of a process and its threads so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_kb(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


async def totals(http: aiohttp.ClientSession, server: Server) -> dict[str, int]:
    """What the server sent so far: packets, bytes, dropped."""
    async with http.get(
        f"{server.url}/api/v1/viewers", headers={"Authorization": f"Bearer {server.token}"}
    ) as answer:
        viewers = (await answer.json())["viewers"]
    names = ("packets_sent", "bytes_sent", "packets_dropped")
    return {name: sum(viewer[name] for viewer in viewers) for name in names}


async def join_all(crowd: Crowd, count: int, at_once: int) -> list[Joined]:
    """Join `count` viewers, `at_once` of them at a time."""
    gate = asyncio.Semaphore(at_once)

    async def join(number: int) -> Joined:
        async with gate:
            return await crowd.join(checks=number % 20 == 0)

    return list(await asyncio.gather(*(join(number) for number in range(count))))


async def measure(server: Server, viewers: int, seconds: float, at_once: int) -> Result:
    """Join, wait until everybody is past the burst, measure."""
    _, about = server.request("GET", "/api/v1/server")
    before = cpu_s(server.pid)
    await asyncio.sleep(2)
    idle = (cpu_s(server.pid) - before) / 2
    rss = rss_kb(server.pid)
    async with aiohttp.ClientSession() as http, Crowd(f"{server.url}/whep/cam", http) as crowd:
        cpu, start = cpu_s(server.pid), time.monotonic()
        joined = await join_all(crowd, viewers, at_once)
        join_s, join_cpu = time.monotonic() - start, cpu_s(server.pid) - cpu
        await asyncio.sleep(4)  # the bursts of the last, one GOP
        first, cpu, start = await totals(http, server), cpu_s(server.pid), time.monotonic()
        await asyncio.sleep(seconds)
        spent, elapsed = cpu_s(server.pid) - cpu, time.monotonic() - start
        last = await totals(http, server)
        grown = rss_kb(server.pid) - rss
        checked, lost, undecipherable = crowd.checked()
    packets = last["packets_sent"] - first["packets_sent"]
    latencies = sorted(viewer.join_s * 1000 for viewer in joined)
    return Result(
        plane=about["plane"],
        cipher=about["plane_cipher"],
        viewers=viewers,
        seconds=round(elapsed, 2),
        packets=packets,
        packets_per_s=round(packets / elapsed),
        mbps_per_viewer=round((last["bytes_sent"] - first["bytes_sent"]) * 8 / elapsed / viewers / 1e6, 2),
        cpu_us_per_packet=round(spent / packets * 1e6, 2),
        cpu_share=round(spent / elapsed, 3),
        idle_cpu_share=round(idle, 3),
        joins_per_s=round(viewers / join_s, 1),
        join_ms_p50=round(statistics.median(latencies), 1),
        join_ms_p99=round(latencies[int(len(latencies) * 0.99) - 1], 1),
        join_cpu_ms=round(join_cpu / viewers * 1000, 2),
        rss_kb_per_viewer=round(grown / viewers, 1),
        checked_packets=checked,
        lost_packets=lost,
        undecipherable=undecipherable,
        dropped_packets=last["packets_dropped"] - first["packets_dropped"],
    )


def main() -> None:
    """Run one measurement."""
    parser = argparse.ArgumentParser(description="What it costs to serve many viewers at once.")
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--mbps", type=float, default=2.5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--at-once", type=int, default=8, help="viewers that join at the same time")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    programme = Programme("640x360", gop_s=2.0, audio="opus", bitrate_kbps=round(arguments.mbps * 1000))
    with (
        Server(_STREAM) as server,
        ffmpeg_srt(server.srt_port, _STREAM_ID, programme, passphrase=_PASSPHRASE),
    ):
        server.wait_live("cam")
        result = asyncio.run(measure(server, arguments.viewers, arguments.seconds, arguments.at_once))
    text = json.dumps(asdict(result), indent=2)
    if arguments.json is not None:
        arguments.json.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
