"""A browser that publishes sends what its page asks for, and less where the line carries less."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from playwright.async_api import Page, Route, expect

from loadtests.rig.browser import Watcher, chromium
from loadtests.rig.server import Server
from loadtests.rig.udp_line import UdpLine
from tests.behaviour.streams import KEY, OPEN

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

ASKED_BPS, NARROW_BPS = 2_500_000, 1_000_000

#: A camera whose pictures take all the bits that the page asks for, and the page's connection at hand.
CAMERA = """() => {
    const Known = RTCPeerConnection;
    window.RTCPeerConnection = class extends Known {
        constructor(...given) { super(...given); window.published = this; }
    };
    const noise = new OffscreenCanvas(640, 640), grain = noise.getContext("2d");
    const image = grain.createImageData(640, 640);
    image.data.forEach((_, n) => { image.data[n] = n % 4 === 3 ? 255 : Math.random() * 256; });
    grain.putImageData(image, 0, 0);
    navigator.mediaDevices.getUserMedia = async () => {
        const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
        const context = canvas.getContext("2d");
        setInterval(() => {
            context.drawImage(noise, 320 * Math.random(), 320 * Math.random(), 320, 180, 0, 0, 640, 360);
        }, 33);
        return canvas.captureStream(30);
    };
}"""
ESTIMATE = """async () => {
    const reports = [...(await window.published.getStats()).values()];
    const pair = reports.find(each => each.type === "candidate-pair" && each.nominated);
    return pair?.availableOutgoingBitrate ?? 0;
}"""


async def wait_for_estimate(page: Page, condition: Callable[[float], bool], what: str) -> None:
    deadline, seen = time.monotonic() + 30, []
    while not condition(estimate := await page.evaluate(ESTIMATE)):
        seen.append(estimate)
        assert time.monotonic() < deadline, f"waited for {what}: {seen}"
        await asyncio.sleep(0.1)


async def test_its_estimate_follows_the_line_and_the_picture_goes_on() -> None:
    with Server(OPEN) as server:
        line = await UdpLine.open(server.webrtc_port)
        async with chromium(has_camera=True) as browser:
            page = await (await browser.new_context()).new_page()

            async def by_the_line(route: Route) -> None:
                answered = await route.fetch()
                text = (await answered.text()).replace(f" {server.webrtc_port} typ", f" {line.port} typ")
                await route.fulfill(response=answered, body=text)

            await page.route("**/whip/cam", by_the_line)
            await page.add_init_script(f"({CAMERA})()")
            await page.goto(f"{server.url}/publish/cam#key={KEY}")
            await page.click("#start")
            await expect(page.locator("#state")).to_contain_text("Live for", timeout=20_000)
            await wait_for_estimate(page, lambda bps: bps >= ASKED_BPS, "what the page asks for")
            watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
            await watcher.wait_playing()
            line.limit_bps = NARROW_BPS
            await wait_for_estimate(page, lambda bps: 0 < bps < 1.1 * NARROW_BPS, "what the line carries")
            await watcher.wait_more(60, 20.0)
            line.limit_bps = 0
            await wait_for_estimate(page, lambda bps: bps > 1.2 * NARROW_BPS, "more")
            await watcher.wait_more(60, 20.0)
            counted = (await asyncio.to_thread(server.stream, "cam"))["publisher"]["statistics"]["webrtc"]
            assert counted["malformed"] == counted["refused"] == counted["dropped"] == 0
        line.close()


async def test_who_is_told_a_limit_alone_gets_along_too() -> None:
    """As of publishers that do not number their packets."""
    with Server(OPEN) as server:
        async with chromium(has_camera=True) as browser:
            page = await (await browser.new_context()).new_page()

            async def without(route: Route) -> None:
                offer = route.request.post_data or ""
                lines = [each for each in offer.splitlines(keepends=True) if "transport-cc" not in each]
                answered = await route.fetch(post_data="".join(lines))
                assert "goog-remb" in await answered.text()
                await route.fulfill(response=answered)

            await page.route("**/whip/cam", without)
            await page.add_init_script(f"({CAMERA})()")
            await page.goto(f"{server.url}/publish/cam#key={KEY}")
            await page.click("#start")
            await expect(page.locator("#state")).to_contain_text("Live for", timeout=20_000)
            await wait_for_estimate(page, lambda bps: bps >= ASKED_BPS, "what the page asks for")
            watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
            await watcher.wait_playing()
