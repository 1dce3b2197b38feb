"""A camera is pulled over RTSP: shown in a browser, fetched on demand, fetched again when it comes back."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from loadtests.rig.browser import Watcher, chromium
from loadtests.rig.process import wait_until
from loadtests.rig.server import Server
from tests.transport.rtsp.camera import camera

pytestmark = pytest.mark.browser


def pulled(url: str, more: str = "") -> str:
    return f'[streams.cam]\nsource = "{url}"\npublic = true\n{more}\n'


def reason(server: Server) -> str:
    return str(server.stream("cam")["ingest"]["reason"])


@pytest.mark.parametrize(
    ("mount", "source"), [("/aac", "source"), ("/bframes", "rendition"), ("/mjpeg", "rendition")]
)
async def test_browser_plays_it(mount: str, source: str) -> None:
    with camera() as device, Server(pulled(device.url(mount))) as server:
        server.wait_live("cam")
        async with chromium() as browser:
            watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
            await watcher.wait_playing()
            await watcher.wait_more(25)
            viewer = server.viewers()[0]

    assert viewer["cipher"] == "AEAD_AES_256_GCM"
    assert viewer["video_source"] == source
    assert watcher.problems == []


async def test_on_demand_pulls_only_while_somebody_watches() -> None:
    with (
        camera() as device,
        Server(pulled(device.url("/h264"), "on_demand = true\non_demand_idle_s = 0.5")) as server,
    ):
        wait_until(lambda: server.stream("cam")["ingest"]["state"] == "idle", 10, "the source to idle")
        async with chromium() as browser:
            watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
            await watcher.wait_playing()
            assert server.stream("cam")["state"] == "live"
            await watcher.close()
            wait_until(lambda: server.stream("cam")["ingest"]["state"] == "idle", 20, "the source to idle")
            again = await Watcher.open(browser, f"{server.url}/watch/cam")
            await again.wait_playing()


async def test_camera_that_goes_away_and_comes_back() -> None:
    with camera() as first:
        port = first.port
        with Server(pulled(first.url("/h264"))) as server:
            server.wait_live("cam")
            async with chromium() as browser:
                watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
                await watcher.wait_playing()
                first.kill()
                wait_until(
                    lambda: server.stream("cam")["ingest"]["state"] == "retrying", 20, "a missed camera"
                )
                assert reason(server)
                with camera(port=port):
                    await watcher.wait_more(25, 40)
                    assert await watcher.page.evaluate("streamerPlayer.reconnects") == 0


def is_retrying(server: Server) -> bool:
    return bool(server.stream("cam")["ingest"]["state"] == "retrying")


def test_wrong_password_is_a_reason() -> None:
    with (
        camera(auth="digest", user="viewer", password="right") as device,
        Server(pulled(device.url("/h264").replace("rtsp://", "rtsp://viewer:wrong-one@"))) as server,
    ):
        # Between two tries: while one is under way the reason of the last still stands there.
        wait_until(lambda: "password" in reason(server) and is_retrying(server), 20, "the reason to be known")
        assert "wrong-one" not in str(server.stream("cam")) + server.output


@pytest.fixture
def silent_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_camera_that_accepts_and_says_nothing(silent_port: int) -> None:
    with Server(pulled(f"rtsp://127.0.0.1:{silent_port}/cam")) as server:
        wait_until(lambda: reason(server) != "", 30, "the reason to be known")
        assert server.stream("cam")["ingest"]["state"] == "retrying"
        assert "s" in reason(server)
