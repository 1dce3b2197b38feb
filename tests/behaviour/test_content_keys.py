"""A stream that is encrypted end to end plays for whoever gets its key, and for nobody else."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Browser, Route

from loadtests.rig.browser import Watcher
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.server import Server
from tests.behaviour.streams import KEY, stream_id

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

STREAM = f'publish_key = "{KEY}"\npublic = true\ne2e = true\n'
STREAMS = f"""
[streams.cam]
{STREAM}
[streams.short]
e2e_key_bytes = 16
{STREAM}
[streams.rotating]
e2e_rotate_s = 10
{STREAM}
"""
PROGRAMME = Programme(size="320x180", gop_s=1)
KEY_URL = "**/api/v1/streams/cam/content-key"
_MESSAGE = "document.querySelector('.message:not([hidden]) .message-title')?.textContent"
_PIXELS = """() => {
    const video = document.querySelector('video'), canvas = document.createElement('canvas');
    canvas.width = 32; canvas.height = 18;
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0, 32, 18);
    return [...context.getImageData(0, 0, 32, 18).data].filter((_, at) => at % 4 < 3);
}"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(STREAMS) as server, ffmpeg_srt(server.srt_port, stream_id(), PROGRAMME):
        server.wait_live("cam")
        yield server


def keys_of(server: Server, stream: str = "cam") -> Any:
    url = f"{server.url}/api/v1/streams/{stream}/content-key"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        return json.load(answer)


def likeness(one: list[int], other: list[int]) -> float:
    """1 for the same picture, about 0 for two that have nothing in common (Pearson)."""
    first, second = np.array(one, float), np.array(other, float)
    if not first.std() or not second.std():
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def ids_of(server: Server, stream: str) -> set[str]:
    return {viewer["id"] for viewer in server.viewers() if viewer["stream"] == stream}


async def picture(watcher: Watcher) -> list[int]:
    """What the page shows now; the test picture stays about the same."""
    pixels: list[int] = await watcher.page.evaluate(_PIXELS)
    return pixels


async def open_with(browser: Browser, server: Server, *scripts: str) -> Watcher:
    """A page with something done before its own scripts run."""
    watcher = Watcher(await (await browser.new_context()).new_page())
    for script in scripts:
        await watcher.page.add_init_script(script)
    await watcher.page.goto(f"{server.url}/watch/cam", wait_until="commit")
    return watcher


async def e2e_figures(watcher: Watcher) -> Any:
    return (await watcher.page.evaluate("streamerPlayer.stats()"))["e2e"]


async def says(watcher: Watcher, title: str) -> None:
    """Wait for a message on the page."""

    async def message() -> str:
        return str(await watcher.page.evaluate(_MESSAGE))

    for _ in range(400):
        if await message() == title:
            return
        await watcher.page.wait_for_timeout(50)
    raise AssertionError(f"it says {await message()!r}, expected {title!r}; {await watcher.report()}")


@pytest.mark.parametrize(("stream", "algorithm"), [("short", "AES-128-GCM"), ("cam", "AES-256-GCM")])
async def test_with_the_key_there_is_picture_and_sound(
    server: Server, browser: Browser, stream: str, algorithm: str
) -> None:
    with contextlib.ExitStack() as encoders:
        if stream != "cam":
            encoders.enter_context(ffmpeg_srt(server.srt_port, stream_id(stream), PROGRAMME))
            server.wait_live(stream)
        watcher = await Watcher.open(browser, f"{server.url}/watch/{stream}")
        await watcher.wait_playing()
        await watcher.wait_more(30)
        await watcher.unmute()
        await watcher.wait_for(
            lambda r: bool(r["audio"] and r["audio"].get("totalAudioEnergy", 0) > 0.0001),
            15,
            "the tone to be heard",
        )
        pixels = await picture(watcher)
        figures = await e2e_figures(watcher)
        described = server.stream(stream)
        await watcher.close()

    assert max(pixels) - min(pixels) > 100
    assert (figures["algorithm"], figures["failed"]) == (algorithm, 0)
    assert described["e2e"] == {
        "format": "gcm-trailer", "algorithm": algorithm, "key_index": figures["keyIndex"]
    }  # fmt: skip
    assert watcher.problems == []


async def test_in_chromium_without_script_transforms(server: Server, browser: Browser) -> None:
    before = ids_of(server, "cam")
    watcher = await open_with(browser, server, "delete window.RTCRtpScriptTransform")
    await watcher.wait_playing()
    await watcher.wait_more(30)
    figures = await e2e_figures(watcher)
    live = {viewer["id"] for viewer in server.viewers() if viewer["state"] == "live"}
    await watcher.close()

    assert figures["keyIndex"] is not None
    assert len(live - before) == 1


async def test_without_the_key_there_is_none_and_the_page_says_why(server: Server, browser: Browser) -> None:
    async def wrong(route: Route) -> None:
        answer = keys_of(server)
        for key in answer["keys"]:
            key["key"] = "A" * 43 + "="
        await route.fulfill(json=answer)

    async def refused(route: Route) -> None:
        await route.fulfill(status=403, json={"error": "forbidden", "message": "no"})

    async def lost(route: Route) -> None:
        await route.abort()

    for answer, title in (
        (wrong, "This stream cannot be decrypted"),
        (lost, "The key to this stream cannot be fetched"),
        (refused, "You may not have the key to this stream"),
    ):
        watcher = Watcher(await (await browser.new_context()).new_page())
        await watcher.page.route(KEY_URL, answer)
        await watcher.page.goto(f"{server.url}/watch/cam", wait_until="commit")
        await says(watcher, title)
        assert await watcher.frames() == 0, title
        assert len(set(await picture(watcher))) == 1, title
        await watcher.close()


async def test_a_browser_that_cannot_decrypt_is_told(server: Server, browser: Browser) -> None:
    cannot = "delete window.RTCRtpScriptTransform; delete RTCRtpReceiver.prototype.createEncodedStreams"
    insecure = "Object.defineProperty(globalThis.crypto, 'subtle', {value: undefined})"
    for script, title in (
        (cannot, "This browser cannot decrypt the stream"),
        (insecure, "This stream plays on secure pages only"),
    ):
        watcher = await open_with(browser, server, script)
        await says(watcher, title)
        await watcher.close()


async def test_a_player_that_does_not_decrypt_shows_nothing(server: Server, browser: Browser) -> None:
    """As an edge, a recorder of packets or another WHEP client would see it."""
    hide = """const get = Headers.prototype.get;
        Headers.prototype.get = function (name) { return name === 'Link' ? null : get.call(this, name); };"""
    decrypts = await Watcher.open(browser, f"{server.url}/watch/cam")
    await decrypts.wait_playing()
    does_not = await open_with(browser, server, hide)
    await does_not.wait_for(lambda r: bool(r["video"] and r["video"]["packetsReceived"] > 300), 20, "packets")
    # What moves in the picture costs up to 0.2, and more where much time passes in between.
    seen, again = await picture(decrypts), await picture(decrypts)
    for _ in range(20):
        if likeness(seen, again) > 0.75:
            break
        seen, again = again, await picture(decrypts)
    unseen = await picture(does_not)
    await decrypts.close()
    await does_not.close()

    assert likeness(seen, again) > 0.75
    # A decoder makes something of noise, but not the picture.
    assert abs(likeness(again, unseen)) < 0.5


async def test_others_play_on_when_one_is_removed_and_on_schedule(server: Server, browser: Browser) -> None:
    programme = Programme(size="320x180", gop_s=8)
    with ffmpeg_srt(server.srt_port, stream_id("rotating"), programme):
        server.wait_live("rotating")
        page = f"{server.url}/watch/rotating"
        stays = await Watcher.open(browser, page)
        await stays.wait_playing()
        (first,) = ids_of(server, "rotating")
        goes = await Watcher.open(browser, page)
        await goes.wait_playing()
        known = {key["key"] for key in keys_of(server, "rotating")["keys"]}
        (other,) = ids_of(server, "rotating") - {first}
        assert server.request("DELETE", f"/api/v1/viewers/{other}")[0] == 204
        await goes.close()

        def current() -> Any:
            return next(key for key in keys_of(server, "rotating")["keys"] if key["state"] == "current")

        await stays.wait_more(30)
        removed_key = current()
        assert removed_key["key"] not in known
        assert (await e2e_figures(stays))["keyIndex"] == removed_key["index"]
        # Two rotations on schedule: 20 s and a little.
        for _ in range(2):
            before = current()["index"]
            for _ in range(200):
                if current()["index"] != before:
                    break
                await stays.page.wait_for_timeout(100)
            assert current()["index"] != before
            await stays.wait_more(30)
            # The next rotation may be close: the key that was current before or after the player was asked.
            asked = current()["index"]
            assert (await e2e_figures(stays))["keyIndex"] in (asked, current()["index"])
        figures = await e2e_figures(stays)
        await stays.close()

    # Not one frame lost, in a GOP that is longer than the time between the keys.
    assert figures["failed"] == 0
    assert stays.problems == []
