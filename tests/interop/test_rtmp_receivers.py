"""What ffmpeg and nginx receive from a push is what was sent: they know nothing of our server's side."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from tests.transport.media.sources import picture_units, sound_units, tone
from transport.errors import LinkError
from transport.media import AccessUnit, Codec
from transport.output import Push
from transport.push import push_to

_PICTURES = 100
_NGINX = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
events {{ }}
rtmp {{ server {{
    listen 127.0.0.1:{port};
    application live {{ live on; record all; record_path {folder}; record_suffix .flv; }}
}} }}
"""


@pytest.fixture(scope="module")
def units() -> list[AccessUnit]:
    pictures = picture_units(Codec.H264, _PICTURES, width=640, height=360, options={"bf": "2"})
    sounds = sound_units(Codec.AAC, tone(_PICTURES / 25, 44_100), 44_100)
    return sorted(pictures + sounds, key=lambda unit: unit.dts_s)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def _running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


async def _connected(url: str) -> Push:
    """A push to a server that is about to listen."""
    async with asyncio.timeout(20):
        while True:
            push = push_to(url, "cam")
            try:
                await push.connect()
            except LinkError as error:
                if error.reason != "refused":
                    raise
                await asyncio.sleep(0.05)
            else:
                return push


async def _send(url: str, units: list[AccessUnit]) -> None:
    push = await _connected(url)
    push.announce(tuple({unit.track.id: unit.track for unit in units}.values()))
    for unit in units:
        push.write(unit)
        await asyncio.sleep(0)
    await push.close()
    assert push.statistics().pictures_dropped == 0


def _check(file: Path) -> None:
    with av.open(str(file)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.width, video.height) == (640, 360)
        assert (audio.rate, audio.channels) == (44_100, 2)
        times: dict[str, list[int]] = {"video": [], "audio": []}
        decoded = {"video": 0, "audio": 0}
        for packet in container.demux():
            if packet.dts is not None:
                times[packet.stream.type].append(packet.dts)
            decoded[packet.stream.type] += len(packet.decode())
    assert all(row == sorted(row) for row in times.values())
    assert decoded["video"] == _PICTURES
    assert decoded["audio"] >= len(times["audio"]) - 2 > 160


async def test_ffmpeg_receives_every_picture(units: list[AccessUnit], tmp_path: Path) -> None:
    url, file = f"rtmp://127.0.0.1:{_free_port()}/live", tmp_path / "out.flv"
    command = ("ffmpeg", "-v", "error", "-listen", "1", "-i", f"{url}/cam", "-c", "copy", str(file))
    with _running(*command) as receiver:
        await _send(url, units)
        assert await asyncio.to_thread(receiver.wait, 20) == 0
    _check(file)


async def test_nginx_records_every_picture_and_refuses_a_second_publisher(
    units: list[AccessUnit], tmp_path: Path
) -> None:
    port, config = _free_port(), tmp_path / "nginx.conf"
    # Workers of a master that is root become "nobody", who may not write here.
    user = "user root;" if os.getuid() == 0 else ""
    config.write_text(_NGINX.format(user=user, folder=tmp_path, port=port))
    url = f"rtmp://127.0.0.1:{port}/live"
    with _running("nginx", "-p", str(tmp_path), "-c", str(config), "-e", str(tmp_path / "start.log")):
        first = await _connected(url)
        with pytest.raises(LinkError) as caught:
            await push_to(url, "cam").connect()
        assert caught.value.reason == "occupied"
        await first.close()
        with pytest.raises(LinkError) as caught:
            await push_to(url.replace("live", "other"), "cam").connect()
        assert caught.value.reason in ("ended", "not_found", "refused")
        await _send(url, units)
    _check(tmp_path / "cam.flv")
