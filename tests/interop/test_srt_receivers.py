"""What ffmpeg receives from an SRT push is what was sent, to the last picture."""

from __future__ import annotations

import asyncio
from pathlib import Path

import av
import pytest

from loadtests.rig.process import Process
from loadtests.rig.server import free_ports
from tests.transport.media.sources import picture_units
from transport.errors import LinkError
from transport.media import AccessUnit, Codec
from transport.output import Push
from transport.push import push_to

_PICTURES = 50


async def _connected(url: str) -> Push:
    """A push to a listener that is about to listen."""
    async with asyncio.timeout(20):
        while True:
            push = push_to(url, "cam")
            try:
                await push.connect()
            except LinkError as error:
                if error.reason not in ("timeout", "refused"):
                    raise
            else:
                return push


async def _send(url: str, units: list[AccessUnit]) -> None:
    push = await _connected(url)
    push.announce((units[0].track,))
    for unit in units:
        push.write(unit)
        await asyncio.sleep(0.02)
    await push.close()


@pytest.mark.parametrize("latency_ms", [20, 250, 1000, 3000])
async def test_ffmpeg_receives_the_last_picture(latency_ms: int, tmp_path: Path) -> None:
    units = picture_units(Codec.H264, _PICTURES, options={"tune": "zerolatency"})
    (port,), file = free_ports(1), tmp_path / "out.ts"
    url = f"srt://127.0.0.1:{port}?latency={latency_ms}"
    source = f"srt://127.0.0.1:{port}?mode=listener&latency={latency_ms * 1000}"
    command = ("ffmpeg", "-v", "error", "-nostdin", "-i", source, "-c", "copy", "-f", "mpegts", str(file))
    with Process(command) as receiver:
        await _send(url, units)
        await asyncio.to_thread(receiver.wait, 20)
    with av.open(str(file)) as container:
        pictures = sum(len(packet.decode()) for packet in container.demux(video=0))
    assert pictures == _PICTURES
