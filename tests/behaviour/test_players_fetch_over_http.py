"""Where WebRTC does not get through, or is not there, streams come over HTTP."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.server import Server
from tests.behaviour.streams import KEY, OPEN, stream_id
from tests.fakes.wait import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PATIENCE_S = 60.0
SEALED = f'[streams.sealed]\npublish_key = "{KEY}"\npublic = true\ne2e = true\n'
FRESH = f'[streams.fresh]\npublic = true\npublish_key = "{KEY}"\n'
#: B-frames, which are played as they are here.
PROGRAMME = Programme(size="320x180", bitrate_kbps=500, video="h264-b")

NO_WEBRTC = "delete window.RTCPeerConnection;"
#: Nothing answers there (RFC 5737), as behind a firewall that lets only web pages through.
BLOCKED = """
    const { setRemoteDescription } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
        return setRemoteDescription.call(this, { type, sdp: sdp.replaceAll("127.0.0.1", "192.0.2.1") });
    };
"""
_REPORT = """() => {
    const player = window.streamerPlayer, video = document.querySelector("video");
    return {state: player?.state ?? null, problem: player?.problem?.code ?? null,
            hindrance: player?.hindrance?.code ?? null, width: video?.videoWidth, at: video?.currentTime,
            shown: video?.getVideoPlaybackQuality().totalVideoFrames ?? 0,
            heard: video?.webkitAudioDecodedByteCount ?? 0};
}"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(OPEN + SEALED + FRESH) as server:
        yield server


async def visit(browser: Browser, url: str, script: str = "") -> Page:
    page = await (await browser.new_context()).new_page()
    await page.add_init_script(script)
    await page.goto(url, wait_until="commit")
    return page


async def reported(page: Page, wanted: Any, what: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def look() -> bool:
        found.update(await page.evaluate(_REPORT))
        return bool(wanted(found))

    deadline = itertools.count()
    while not await look():
        assert next(deadline) < PATIENCE_S * 10, f"waited in vain for {what}: {found}"
        await page.wait_for_timeout(100)
    return dict(found)


def is_seen_and_heard(report: dict[str, Any]) -> bool:
    return report["state"] == "playing" and report["shown"] > 40 and report["heard"] > 0


@pytest.mark.parametrize(
    "script, hindrance", [(BLOCKED, "network_blocked"), (NO_WEBRTC, "unsupported")], ids=["blocked", "none"]
)
async def test_a_page_plays_where_webrtc_cannot_be_had(
    server: Server, browser: Browser, script: str, hindrance: str
) -> None:
    with ffmpeg_srt(server.srt_port, stream_id(), PROGRAMME) as encoder:
        server.wait_live("cam")
        page = await visit(browser, f"{server.url}/watch/cam", script)
        report = await reported(page, is_seen_and_heard, "picture and sound")
        assert (report["hindrance"], report["width"]) == (hindrance, 320)
        (viewer,) = server.viewers_over_hls()
        assert viewer["stream"] == "cam"
        assert viewer["bytes_sent"] > 10_000
        assert server.metric("streamer_hls_viewers", stream="cam") == 1
        encoder.kill()
        away = await reported(page, lambda r: r["state"] == "stalled", "the page to notice")
        await reported(page, lambda r: r["problem"] == "publisher_away", "the page to say why")
    with ffmpeg_srt(server.srt_port, stream_id(), Programme(size="640x360", audio="mp2")):
        after = await reported(
            page, lambda r: is_seen_and_heard(r) and r["width"] == 640, "the other encoder's picture"
        )
        assert after["at"] > away["at"]
        assert [each["id"] for each in server.viewers_over_hls()] == [viewer["id"]]
    await page.context.close()
    await until(lambda: not server.viewers_over_hls(), "the viewer to be gone")


async def test_what_is_encrypted_end_to_end_does_not_come_so(server: Server, browser: Browser) -> None:
    with ffmpeg_srt(server.srt_port, stream_id("sealed"), Programme(size="320x180")):
        server.wait_live("sealed")
        page = await visit(browser, f"{server.url}/watch/sealed", BLOCKED)
        await reported(page, lambda r: r["problem"] == "network_blocked", "the page to say what hinders")
        assert server.viewers_over_hls() == []
    await page.context.close()


async def test_the_browsers_own_player_plays_it(server: Server, browser: Browser) -> None:
    """Also as the first viewer of a stream: it needs more segments than one to begin with."""
    with ffmpeg_srt(server.srt_port, stream_id("fresh"), PROGRAMME):
        server.wait_live("fresh")
        page = await visit(browser, f"{server.url}/healthz")
        await page.evaluate(
            "() => { const video = document.createElement('video'); video.muted = true;"
            " document.body.append(video); video.src = '/hls/fresh/index.m3u8'; return video.play(); }"
        )
        await reported(page, lambda r: r["shown"] > 100 and r["width"] == 320, "pictures")
        # Nothing is made for it: it plays pictures in another order, and AAC.
        assert not [each for each in server.stream("fresh")["renditions"] if each["active"]]
    await page.context.close()
