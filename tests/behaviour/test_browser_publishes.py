"""Whoever has a browser and the key publishes with its camera, and is seen; also after the page was lost."""

from __future__ import annotations

import asyncio
import json
import subprocess

import pytest
from playwright.async_api import Browser, Page, Route, expect

from loadtests.rig.browser import Watcher, chromium
from loadtests.rig.server import Server, free_ports
from tests.behaviour.streams import KEY, OPEN

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


async def studio(browser: Browser, server: Server, key: str = KEY) -> Page:
    """The page that publishes, in a context of its own."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"{server.url}/publish/cam#key={key}")
    return page


async def go_live(page: Page) -> None:
    await page.click("#start")
    await expect(page.locator("#state")).to_contain_text("Live for", timeout=20_000)


def streams_over_srt(server: Server) -> list[dict[str, object]]:
    """What a reader of another kind finds in it."""
    url = f"srt://127.0.0.1:{server.srt_port}?streamid=read:cam"
    command = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", url]
    found = subprocess.run(command, capture_output=True, check=True, timeout=60)
    streams: list[dict[str, object]] = json.loads(found.stdout)["streams"]
    return streams


async def test_it_is_seen_and_heard_by_browsers_and_over_srt() -> None:
    with Server(OPEN) as server:
        async with chromium(has_camera=True) as browser:
            page = await studio(browser, server)
            await go_live(page)
            assert server.stream("cam")["publisher"]["protocol"] == "whip"
            watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
            report = await watcher.wait_playing()
            assert report["codec"] == "video/H264"
            await watcher.unmute()
            await watcher.wait_for(
                lambda r: bool(r["audio"] and r["audio"].get("totalAudioEnergy", 0) > 0.0001), 20, "its sound"
            )
            (viewer,) = server.viewers()
            assert viewer["video_source"] == "source"
            found = await asyncio.to_thread(streams_over_srt, server)
            assert {each["codec_name"] for each in found} == {"h264", "opus"}
            await page.click("#stop")
            await watcher.wait_for(lambda r: r["state"] != "playing", 20, "the end of it")
            assert watcher.problems == []


async def test_a_reload_goes_on_where_it_was() -> None:
    with Server(OPEN) as server:
        async with chromium(has_camera=True) as browser:
            page = await studio(browser, server)
            await go_live(page)
            watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
            await watcher.wait_playing()
            # No goodbye: a tab that crashed says nothing.
            await page.evaluate("() => { window.fetch = () => new Promise(() => {}); }")
            await page.goto("about:blank")
            again = await studio(browser, server)
            await go_live(again)
            await watcher.wait_more(20, 20.0)
            assert watcher.problems == []


async def test_a_wrong_key_is_told_once() -> None:
    with Server(OPEN) as server:
        async with chromium(has_camera=True) as browser:
            page = await studio(browser, server, key="wrong")
            await page.click("#start")
            await expect(page.locator("#problem")).to_contain_text("key", timeout=20_000)
            await expect(page.locator("#problem")).to_be_in_viewport()
            await expect(page.locator("#state")).to_have_text("Not live")
            assert await page.is_visible("#start")


async def test_who_comes_second_is_told_why_and_goes_live_when_the_first_stops() -> None:
    with Server(OPEN) as server:
        async with chromium(has_camera=True) as browser:
            first = await studio(browser, server)
            await go_live(first)
            second = await studio(browser, server)
            await second.click("#start")
            await expect(second.locator("#problem")).to_contain_text("being published by", timeout=20_000)
            await expect(second.locator("#problem")).to_be_in_viewport()
            await expect(second.locator("#state")).to_have_text("Not live yet. Trying again.")
            await first.click("#stop")
            await expect(second.locator("#state")).to_contain_text("Live for", timeout=30_000)
            await expect(second.locator("#problem")).to_be_hidden()


async def test_it_goes_on_when_the_server_is_back() -> None:
    with Server(OPEN) as server:
        async with chromium(has_camera=True) as browser:
            page = await studio(browser, server)
            await go_live(page)
            server.stop()
            state = page.locator("#state")
            await expect(state).to_have_text("Connection lost. Connecting again.", timeout=30_000)
            server.start()
            await expect(state).to_contain_text("Live for", timeout=30_000)


async def test_who_is_cut_off_from_the_media_port_is_told_so() -> None:
    with Server(OPEN) as server:
        async with chromium(has_camera=True) as browser:
            page = await (await browser.new_context()).new_page()

            async def elsewhere(route: Route) -> None:
                answered = await route.fetch()
                text = (await answered.text()).replace(f" {server.webrtc_port} typ", f" {closed} typ")
                await route.fulfill(response=answered, body=text)

            (closed,) = free_ports(1)
            await page.route("**/whip/cam", elsewhere)
            await page.goto(f"{server.url}/publish/cam#key={KEY}")
            await page.click("#start")
            await expect(page.locator("#problem")).to_contain_text("firewall", timeout=60_000)
            await expect(page.locator("#state")).to_have_text("Not live yet. Trying again.")


async def test_the_keyboard_is_enough() -> None:
    with Server(OPEN) as server:
        async with chromium(has_camera=True) as browser:
            page = await studio(browser, server, key="")
            await page.focus("#key")
            await page.keyboard.type(KEY)
            await page.keyboard.press("Enter")
            await expect(page.locator("#state")).to_contain_text("Live for", timeout=20_000)
            await expect(page.locator("#stop")).to_be_focused()
            await page.keyboard.press("Enter")
            await expect(page.locator("#state")).to_have_text("Not live")
            await expect(page.locator("#start")).to_be_focused()


#: What Firefox is before it has fetched its encoder: H.264 is agreed on, and nothing is sent.
NO_ENCODER = """() => {
    const add = RTCPeerConnection.prototype.addTransceiver;
    RTCPeerConnection.prototype.addTransceiver = function (track, options) {
        return add.call(this, track.kind === "video" ? "video" : track, options);
    };
}"""


async def test_a_picture_that_is_not_sent_is_missed() -> None:
    with Server(OPEN) as server:
        async with chromium(has_camera=True) as browser:
            page = await studio(browser, server)
            await page.evaluate(NO_ENCODER)
            await go_live(page)
            await expect(page.locator("#problem")).to_contain_text("no picture", timeout=20_000)
            await expect(page.locator("#state")).to_contain_text("Live for")
            (warning,) = [said for said in server.stream("cam")["warnings"] if "announced" in said]
            assert "picture" in warning


#: What a browser does when a device is pulled out.
PULL_OUT = """(kind) => {
    const media = document.getElementById("preview").srcObject;
    const track = media.getTracks().find((each) => each.kind === kind);
    track.stop();
    track.dispatchEvent(new Event("ended"));
}"""


async def test_without_its_microphone_the_picture_goes_on_and_without_its_camera_it_ends() -> None:
    with Server(OPEN) as server:
        async with chromium(has_camera=True) as browser:
            page = await studio(browser, server)
            await go_live(page)
            watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
            await watcher.wait_playing()
            await page.evaluate(PULL_OUT, "audio")
            await expect(page.locator("#problem")).to_contain_text("microphone is gone")
            await watcher.wait_more(40)
            await expect(page.locator("#state")).to_contain_text("Live for")
            await expect(page.locator("#problem")).to_contain_text("microphone is gone")
            await page.evaluate(PULL_OUT, "video")
            await expect(page.locator("#state")).to_have_text("Not live")
            await expect(page.locator("#problem")).to_contain_text("camera is gone")
