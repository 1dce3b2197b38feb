"""What publishes over RTMP, with B-frames and AAC as it does by default, is seen and heard in a browser."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from loadtests.rig.browser import Watcher
from loadtests.rig.encoder import Programme, ffmpeg_arguments
from loadtests.rig.process import Process
from loadtests.rig.server import Server, free_ports
from tests.behaviour.streams import KEY, OPEN

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.parametrize("video", ["h264", "h264-b"])
async def test_it_is_seen_and_heard(browser: Browser, video: str) -> None:
    (port,) = free_ports(1)
    arguments = ffmpeg_arguments(Programme(video=video))
    with (
        Server(f'{OPEN}\n[rtmp]\nlisten = "127.0.0.1:{port}"\n') as server,
        Process([*arguments, "-f", "flv", f"rtmp://127.0.0.1:{port}/live/cam?key={KEY}"]),
    ):
        server.wait_live("cam")
        assert server.stream("cam")["publisher"]["protocol"] == "rtmp"
        watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
        await watcher.wait_playing()
        await watcher.unmute()
        await watcher.wait_for(
            lambda r: bool(r["audio"] and r["audio"].get("totalAudioEnergy", 0) > 0.0001), 20, "its sound"
        )
        await watcher.wait_more(30)
        assert watcher.problems == []
        await watcher.close()
