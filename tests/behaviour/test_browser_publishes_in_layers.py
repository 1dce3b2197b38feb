"""A page that publishes its picture in several layers is seen in the best that it sends."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from loadtests.rig.browser import Watcher, chromium
from loadtests.rig.server import Server
from tests.behaviour.streams import KEY, OPEN

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

#: Of so small a picture, 640 wide, Chromium makes no more than two.
LAYERS = [
    {"rid": "h", "scaleResolutionDownBy": 2, "maxBitrate": 300_000},
    {"rid": "f", "maxBitrate": 900_000},
]
PUBLISH = """async ([url, key, sendEncodings]) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
    const context = canvas.getContext("2d");
    let shown = 0;
    setInterval(() => {
        context.fillStyle = `hsl(${++shown % 360}, 60%, 50%)`;
        context.fillRect(0, 0, 640, 360);
    }, 33);
    const pc = window.pc = new RTCPeerConnection();
    const [track] = canvas.captureStream(30).getVideoTracks();
    pc.addTransceiver(track, { direction: "sendonly", sendEncodings });
    await pc.setLocalDescription();
    const headers = { "Content-Type": "application/sdp", Authorization: `Bearer ${key}` };
    const answer = await fetch(url, { method: "POST", body: pc.localDescription.sdp, headers });
    await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
}"""
#: As a browser does by itself when its line or its machine does not carry all of them.
SWITCH = """async ([rid, active]) => {
    const [sender] = pc.getSenders();
    const parameters = sender.getParameters();
    parameters.encodings.find((each) => each.rid === rid).active = active;
    await sender.setParameters(parameters);
}"""


async def publish(page: Page, server: Server, layers: list[dict[str, object]]) -> None:
    await page.goto(f"{server.url}/publish/cam")
    await page.evaluate(PUBLISH, [f"{server.url}/whip/cam", KEY, layers])


@pytest.mark.parametrize("is_best_first", [True, False])
async def test_the_best_is_seen_and_a_lower_one_when_it_stops(is_best_first: bool) -> None:
    with Server(OPEN) as server:
        async with chromium(has_camera=True) as browser:
            page = await (await browser.new_context()).new_page()
            await publish(page, server, LAYERS[::-1] if is_best_first else LAYERS)
            watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
            await watcher.wait_for(lambda report: report["width"] == 640, 60, "the best")
            await page.evaluate(SWITCH, ["f", False])
            await watcher.wait_for(lambda report: report["width"] == 320, 20, "the lower one")
            await watcher.wait_more(30)
            await page.evaluate(SWITCH, ["f", True])
            await watcher.wait_for(lambda report: report["width"] == 640, 60, "the best again")
            await watcher.wait_more(30)
            assert watcher.problems == []
