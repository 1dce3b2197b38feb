"""Programs that are not ours publish and watch."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from loadtests.rig.encoder import Programme, ffmpeg_srt, gstreamer_srt
from loadtests.rig.process import Process, wait_until
from loadtests.rig.server import Server, free_ports
from loadtests.rig.viewer import Viewer, watch
from tests.behaviour.streams import KEY, PASSPHRASE, stream_id

LISTENER_PORT = free_ports(1)[0]
STREAMS = f"""
[streams.open]
publish_key = "{KEY}"
public = true
[streams.pulled]
source = "srt://127.0.0.1:{LISTENER_PORT}?mode=caller"
passphrase = "{PASSPHRASE}"
public = true
""" + "".join(
    f"""
[streams.{name}]
publish_key = "{KEY}"
passphrase = "{PASSPHRASE}"
pbkeylen = {pbkeylen}
public = true
"""
    for name, pbkeylen in (("aes16", 16), ("aes24", 24), ("aes32", 32), ("gstreamer", 32))
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(STREAMS) as server:
        yield server


async def plays_in_aiortc(server: Server, name: str, encoder: Process) -> Viewer:
    with encoder:
        server.wait_live(name)
        async with watch(f"{server.url}/whep/{name}") as viewer:
            await viewer.wait_for(lambda v: v.pictures >= 30 and v.sound_s >= 1)
            return viewer


@pytest.mark.parametrize("pbkeylen", [16, 24, 32])
async def test_ffmpeg_publishes(server: Server, pbkeylen: int) -> None:
    name = f"aes{pbkeylen}"
    encoder = ffmpeg_srt(
        server.srt_port, stream_id(name), Programme(), passphrase=PASSPHRASE, pbkeylen=pbkeylen
    )
    assert (await plays_in_aiortc(server, name, encoder)).size == (640, 360)


async def test_gstreamer_publishes(server: Server) -> None:
    encoder = gstreamer_srt(server.srt_port, stream_id("gstreamer"), passphrase=PASSPHRASE)
    assert (await plays_in_aiortc(server, "gstreamer", encoder)).size == (640, 360)


async def test_short_stream_id_and_no_passphrase(server: Server) -> None:
    encoder = ffmpeg_srt(server.srt_port, f"publish:open:{KEY}", Programme(audio="mp2"))
    assert (await plays_in_aiortc(server, "open", encoder)).size == (640, 360)


async def test_srt_is_pulled_from_a_listener(server: Server) -> None:
    command = ffmpeg_srt(LISTENER_PORT, "", Programme(), passphrase=PASSPHRASE)
    listener = Process([part.replace("mode=caller", "mode=listener") for part in command.command])
    assert (await plays_in_aiortc(server, "pulled", listener)).size == (640, 360)


def test_everybody_is_told_when_the_server_stops(server: Server) -> None:
    """The last one, as it stops the server."""
    server.wait_free("open")
    with ffmpeg_srt(server.srt_port, stream_id("open"), Programme()):
        server.wait_live("open")
        viewer = Process(
            [sys.executable, "-m", "loadtests.rig.viewer", f"{server.url}/whep/open", "--seconds", "30"]
        )
        with viewer:
            wait_until(lambda: '"pictures": 1' in viewer.output, 20, "pictures")
            assert server.stop(timeout_s=5) == 0
