"""A publisher that dies and comes back finds its viewers still there, and they play on without a reload."""

from __future__ import annotations

import pytest

from loadtests.rig.browser import Watcher, chromium
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import wait_until
from loadtests.rig.server import Server
from tests.behaviour.streams import ENCRYPTED, PASSPHRASE, stream_id

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(Programme(), id="the same"),
        pytest.param(Programme(size="1280x720", audio="mp2"), id="another size and sound"),
        pytest.param(Programme(video="h264-b", size="320x180"), id="with B-frames"),
    ],
)
async def test_page_plays_on(after: Programme) -> None:
    with Server(ENCRYPTED) as server:
        async with chromium() as browser:
            with ffmpeg_srt(server.srt_port, stream_id(), Programme(), passphrase=PASSPHRASE) as encoder:
                server.wait_live("cam")
                watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
                await watcher.wait_playing()
                before = server.viewers()[0]["id"]
                encoder.kill()
                wait_until(
                    lambda: server.stream("cam")["state"] == "waiting", 15, "the publisher to be missed"
                )
                await watcher.wait_for(lambda r: r["state"] == "stalled", 15, "the page to notice")
            with ffmpeg_srt(server.srt_port, stream_id(), after, passphrase=PASSPHRASE):
                await watcher.wait_more(30, 30)
                report = await watcher.wait_for(
                    lambda r: f"{r['width']}x{r['video']['frameHeight']}" == after.size, 15, "the new size"
                )

            assert report["state"] == "playing"
            assert [viewer["id"] for viewer in server.viewers()] == [before]
            assert await watcher.page.evaluate("streamerPlayer.reconnects") == 0


async def test_viewers_are_told_when_the_grace_time_is_over() -> None:
    with Server(ENCRYPTED + "grace_s = 1.0\n") as server:
        async with chromium() as browser:
            with ffmpeg_srt(server.srt_port, stream_id(), Programme(), passphrase=PASSPHRASE):
                server.wait_live("cam")
                watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
                await watcher.wait_playing()
            wait_until(lambda: server.stream("cam")["state"] == "offline", 20, "the stream to be offline")
            await watcher.wait_for(lambda r: r["state"] == "waiting", 15, "the page to wait for another try")
            assert server.viewers() == []
            with ffmpeg_srt(server.srt_port, stream_id(), Programme(), passphrase=PASSPHRASE):
                await watcher.wait_playing(30)
