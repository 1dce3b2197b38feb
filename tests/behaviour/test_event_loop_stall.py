"""Media does not pass through the event loop: while it stands still, packets keep arriving at viewers."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import Process
from loadtests.rig.server import free_ports
from ops.server import Server
from streamer.config import parse
from tests.behaviour.streams import KEY, stream_id

STALL_S = 1.0


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def compute(seconds: float) -> None:
    """Worse than sleeping: it also fights for the interpreter."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))


def samples(viewer: Process) -> list[dict[str, Any]]:
    lines = viewer.output.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


async def until(condition: Any, what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"waited 20 s for {what}"
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("stall", [sleep, compute])
async def test_packets_arrive_while_the_loop_stands_still(stall: Any, tmp_path: Path) -> None:
    http, srt, webrtc = free_ports(3)
    config = parse(
        {
            "http": {"listen": f"127.0.0.1:{http}"},
            "srt": {"listen": f"127.0.0.1:{srt}"},
            "webrtc": {"listen": f"127.0.0.1:{webrtc}"},
            "state": {"dir": str(tmp_path / "state")},
            "streams": {"cam": {"publish_key": KEY, "public": True}},
        }
    )
    server = Server(config)
    running = asyncio.create_task(server.run())
    await server.started.wait()
    viewer = Process(
        [sys.executable, "-m", "loadtests.rig.viewer", f"http://127.0.0.1:{http}/whep/cam", "--seconds", "60"]
    )
    try:
        with ffmpeg_srt(srt, stream_id(), Programme(size="320x180", fps=30, bitrate_kbps=1000)):
            await until(lambda: server.registry.find("cam").ready, "the stream")
            with viewer:
                await until(lambda: samples(viewer) and samples(viewer)[-1]["pictures"] > 30, "pictures")
                begin = time.monotonic()
                stall(STALL_S)
                end = time.monotonic()
                await until(lambda: samples(viewer)[-1]["at"] > end, "the samples of the stall")
                during = [s for s in samples(viewer) if begin <= s["at"] <= end]
    finally:
        server.stop()
        await running

    # 30 pictures are due, and four of the bursts in which ffmpeg multiplexes sound. A noisy machine may delay
    # some of it, a path through the event loop delays all.
    assert during[-1]["video_packets"] - during[0]["video_packets"] >= 20
    assert during[-1]["audio_packets"] - during[0]["audio_packets"] > 0
