"""A viewer without UDP plays over TCP on the same port; one that changes its network keeps its session.

One whose network changed while the page was being loaded does not have to load it again by hand.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import pytest
from playwright.async_api import Page, Route

from loadtests.rig.browser import Watcher, chromium
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.server import Server
from tests.behaviour.streams import OPEN, stream_id

pytestmark = pytest.mark.browser

FORGOTTEN = """() => new Promise(resolve => {
    const look = () => (sessionStorage.length ? setTimeout(look, 20) : resolve());
    look();
})"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(OPEN) as server, ffmpeg_srt(server.srt_port, stream_id(), Programme()):
        server.wait_live("cam")
        yield server


async def without_udp(page: Page) -> None:
    """Take the UDP candidates out of every answer, as a firewall takes away the packets."""

    async def answer(route: Route) -> None:
        response = await route.fetch()
        lines = (await response.text()).splitlines()
        kept = [line for line in lines if not (line.startswith("a=candidate") and " udp " in line)]
        assert len(kept) < len(lines)
        await route.fulfill(response=response, body="\r\n".join(kept) + "\r\n")

    await page.route("**/whep/cam", answer)


async def test_plays_over_tcp(server: Server) -> None:
    async with chromium() as browser:
        context = await browser.new_context()
        watcher = Watcher(await context.new_page())
        await without_udp(watcher.page)
        await watcher.page.goto(f"{server.url}/watch/cam")
        await watcher.wait_playing()
        await watcher.wait_more(60)
        viewers = server.viewers()

    assert [viewer["protocol"] for viewer in viewers] == ["tcp"]
    assert viewers[0]["cipher"] == "AEAD_AES_256_GCM"


async def test_ice_restart_keeps_the_session(server: Server) -> None:
    async with chromium() as browser:
        watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
        await watcher.wait_playing()
        before = {viewer["id"] for viewer in server.viewers() if viewer["state"] == "live"}
        ufrag = "streamerPlayer.session.pc.remoteDescription.sdp.match(/a=ice-ufrag:(.*)/)[1]"
        first = await watcher.page.evaluate(ufrag)

        assert await watcher.page.evaluate("streamerPlayer.session.restartIce()")
        await watcher.wait_more(60)

        assert await watcher.page.evaluate(ufrag) != first
        assert {viewer["id"] for viewer in server.viewers()} >= before
        assert await watcher.page.evaluate("streamerPlayer.reconnects") == 0


async def test_a_page_whose_scripts_got_lost_begins_again(server: Server) -> None:
    async with chromium() as browser:
        watcher = Watcher(await (await browser.new_context()).new_page())
        asked = itertools.count(1)
        comes = asyncio.Event()

        async def lost_twice(route: Route) -> None:
            if next(asked) <= 2:
                await route.abort("internetdisconnected")
                return
            comes.set()
            await route.continue_()

        await watcher.page.route("**/static/js/player.js", lost_twice)
        await watcher.page.goto(f"{server.url}/watch/cam", wait_until="commit")
        await asyncio.wait_for(comes.wait(), 30)
        await watcher.wait_playing()
        # What it kept about that it forgets.
        await asyncio.wait_for(watcher.page.evaluate(FORGOTTEN), 30)
