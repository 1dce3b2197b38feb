"""Programs that are not ours publish and watch."""

from __future__ import annotations

import sys

import pytest

from loadtests.rig.encoder import Programme, ffmpeg_srt, gstreamer_srt
from loadtests.rig.process import Process, wait_until
from loadtests.rig.server import Server, free_ports
from loadtests.rig.viewer import Viewer, watch
from tests.behaviour.streams import ENCRYPTED, OPEN, PASSPHRASE, stream_id


async def plays_in_aiortc(server: Server, encoder: Process) -> Viewer:
    with encoder:
        server.wait_live("cam")
        async with watch(f"{server.url}/whep/cam") as viewer:
            await viewer.wait_for(lambda v: v.pictures >= 30 and v.sound_s >= 1)
            return viewer


@pytest.mark.parametrize("pbkeylen", [16, 24, 32])
async def test_ffmpeg_publishes(pbkeylen: int) -> None:
    with Server(ENCRYPTED.replace("pbkeylen = 32", f"pbkeylen = {pbkeylen}")) as server:
        encoder = ffmpeg_srt(
            server.srt_port, stream_id(), Programme(), passphrase=PASSPHRASE, pbkeylen=pbkeylen
        )
        assert (await plays_in_aiortc(server, encoder)).size == (640, 360)


async def test_gstreamer_publishes() -> None:
    with Server(ENCRYPTED) as server:
        encoder = gstreamer_srt(server.srt_port, stream_id(), passphrase=PASSPHRASE)
        assert (await plays_in_aiortc(server, encoder)).size == (640, 360)


async def test_short_stream_id_and_no_passphrase() -> None:
    with Server(OPEN) as server:
        encoder = ffmpeg_srt(server.srt_port, "publish:cam:key-of-the-encoder", Programme(audio="mp2"))
        assert (await plays_in_aiortc(server, encoder)).size == (640, 360)


async def test_srt_is_pulled_from_a_listener() -> None:
    with Server("") as server:
        (port,) = free_ports(1)
        server.configure(
            f'[streams.cam]\nsource = "srt://127.0.0.1:{port}?mode=caller"\n'
            f'passphrase = "{PASSPHRASE}"\npublic = true\n'
        )
        command = ffmpeg_srt(port, "", Programme(), passphrase=PASSPHRASE)
        listener = Process([part.replace("mode=caller", "mode=listener") for part in command.command])
        assert (await plays_in_aiortc(server, listener)).size == (640, 360)


def test_everybody_is_told_when_the_server_stops() -> None:
    with Server(OPEN) as server, ffmpeg_srt(server.srt_port, stream_id(), Programme()):
        server.wait_live("cam")
        viewer = Process(
            [sys.executable, "-m", "loadtests.rig.viewer", f"{server.url}/whep/cam", "--seconds", "30"]
        )
        with viewer:
            wait_until(lambda: '"pictures": 1' in viewer.output, 20, "pictures")
            assert server.stop(timeout_s=5) == 0
