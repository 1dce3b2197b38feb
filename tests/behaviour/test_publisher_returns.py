"""A publisher that dies and comes back finds its viewers still there, and they play on without a reload."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser

from loadtests.rig.browser import Watcher
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import Process, wait_until
from loadtests.rig.server import Server
from tests.behaviour.streams import KEY, PASSPHRASE, stream_id

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

STREAM = f'publish_key = "{KEY}"\npassphrase = "{PASSPHRASE}"\npublic = true\n'
NAMES = ("same", "other", "reordered", "short")
STREAMS = "".join(f"[streams.{name}]\n{STREAM}" for name in NAMES) + "grace_s = 1.0\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(STREAMS) as server:
        yield server


def publishing(server: Server, name: str, programme: Programme) -> Process:
    return ffmpeg_srt(server.srt_port, stream_id(name), programme, passphrase=PASSPHRASE)


def ids_of(server: Server, name: str) -> list[str]:
    return [viewer["id"] for viewer in server.viewers() if viewer["stream"] == name]


def publisher_of(server: Server, name: str) -> str | None:
    publisher = server.stream(name)["publisher"]
    return None if publisher is None else str(publisher["id"])


@pytest.mark.parametrize(
    ("name", "after"),
    [
        pytest.param("same", Programme(), id="the same"),
        pytest.param("other", Programme(size="1280x720", audio="mp2"), id="another size and sound"),
        pytest.param("reordered", Programme(video="h264-b", size="320x180"), id="with B-frames"),
    ],
)
async def test_page_plays_on(server: Server, browser: Browser, name: str, after: Programme) -> None:
    with publishing(server, name, Programme()) as encoder:
        server.wait_live(name)
        watcher = await Watcher.open(browser, f"{server.url}/watch/{name}")
        await watcher.wait_playing()
        (before,) = ids_of(server, name)
        encoder.kill()
        wait_until(lambda: server.stream(name)["state"] == "waiting", 15, "the publisher to be missed")
        await watcher.wait_for(lambda r: r["state"] == "stalled", 15, "the page to notice")
    with publishing(server, name, after):
        await watcher.wait_more(30, 30)
        report = await watcher.wait_for(
            lambda r: f"{r['width']}x{r['video']['frameHeight']}" == after.size, 15, "the new size"
        )

    assert report["state"] == "playing"
    assert ids_of(server, name) == [before]
    assert await watcher.page.evaluate("streamerPlayer.reconnects") == 0
    await watcher.close()


async def test_page_plays_on_when_the_encoder_begins_again_at_once(server: Server, browser: Browser) -> None:
    """Its first connection is still there then: what it sent last is not due yet."""
    with publishing(server, "same", Programme()):
        server.wait_live("same")
        first = publisher_of(server, "same")
        watcher = await Watcher.open(browser, f"{server.url}/watch/same")
        await watcher.wait_playing()
    with publishing(server, "same", Programme()):
        wait_until(lambda: publisher_of(server, "same") not in (None, first), 15, "the next publisher")
        await watcher.wait_more(30, 30)
    assert await watcher.page.evaluate("streamerPlayer.reconnects") == 0
    await watcher.close()


async def test_viewers_are_told_when_the_grace_time_is_over(server: Server, browser: Browser) -> None:
    with publishing(server, "short", Programme()):
        server.wait_live("short")
        watcher = await Watcher.open(browser, f"{server.url}/watch/short")
        await watcher.wait_playing()
    wait_until(lambda: server.stream("short")["state"] == "offline", 20, "the stream to be offline")
    await watcher.wait_for(lambda r: r["state"] == "waiting", 15, "the page to wait for another try")
    assert ids_of(server, "short") == []
    with publishing(server, "short", Programme()):
        await watcher.wait_playing(30)
    await watcher.close()
