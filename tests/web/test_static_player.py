"""The player in a real browser: it starts at once, says what is wrong, and finds its way back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, async_playwright

from loadtests.rig.browser import chromium_path
from streamer.hub.patience import _PULL_PATIENCE_S
from tests.fakes.whep_server import Refusal, WhepServer
from tests.rigs.pages import untroubled

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_STATE = "window.streamerPlayer?.state"
_MESSAGE = "document.querySelector('.message:not([hidden]) .message-title')?.textContent"
_NOTICE = "document.querySelector('.notice:not([hidden]) strong')?.textContent"
_VIEWERS = "document.querySelector('.bar-viewers')?.textContent"

#: Firefox counts a candidate pair's bytes and no packets, nothing of a transport, and seldom makes a check.
_FIREFOX_STATISTICS = """
    const { getStats } = RTCPeerConnection.prototype;
    const likeFirefox = {
        "candidate-pair": ({ packetsReceived, ...pair }) => ({ ...pair, responsesReceived: 1 }),
        transport: ({ packetsReceived, bytesReceived, ...transport }) => transport,
    };
    RTCPeerConnection.prototype.getStats = async function () {
        const entries = [...(await getStats.call(this))];
        return new Map(entries.map(([id, it]) => [id, likeFirefox[it.type]?.(it) ?? it]));
    };
"""

_REFUSALS = [
    (Refusal(404, "no_such_stream", "no stream is called 'cam'"), "No such stream", "stopped"),
    (Refusal(409, "not_live", "'cam' is not live", 60), "Not live yet", "waiting"),
    (Refusal(401, "unauthorized", "it needs a token"), "This stream needs a viewing token", "stopped"),
    (Refusal(401, "token_expired", "it has expired"), "This token does not open this stream", "stopped"),
    (Refusal(403, "forbidden", "not yours"), "You may not watch this stream", "stopped"),
    (Refusal(406, "not_playable", "it is H.265"), "This browser cannot play the stream", "stopped"),
    (Refusal(429, "rate_limited", "again in 60 s", 60), "Too many at once from this network", "waiting"),
    (Refusal(429, "seats_taken", "all 1 are taken", 60), "All places of this link are taken", "waiting"),
    (Refusal(503, "unavailable", "10 viewers are here", 60), "The server is full", "waiting"),
    (Refusal(500, "server_error", "its log says why", 60), "The server had a problem", "waiting"),
    (Refusal(502, "bad_gateway", "from a proxy", 60), "Server unreachable", "waiting"),
]


@pytest_asyncio.fixture(loop_scope="module")
async def server() -> AsyncIterator[WhepServer]:
    async with WhepServer() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One for all tests, as starting it takes longer than most of them."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=_FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A new visitor's page, which fails the test on anything its policy or its scripts did not allow for."""
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    with untroubled(page):
        yield page
        await page.close()


async def becomes(page: Page, expression: str, value: object) -> None:
    """Wait until an expression has a value; the policy forbids the polling that Playwright would inject."""
    async with asyncio.timeout(30):
        while True:
            if await page.evaluate(expression) == value:
                return
            await asyncio.sleep(0.02)


async def test_plays_and_tells_how_fast_it_was(page: Page, server: WhepServer) -> None:
    await page.goto(f"{server.url}/watch/cam")
    await becomes(page, _STATE, "playing")
    assert await page.evaluate("streamerPlayer.timeToFirstFrameMs") > 0
    assert await page.evaluate("[streamerPlayer.hasVideo, streamerPlayer.hasAudio]") == [True, False]
    figures = await page.evaluate("streamerPlayer.stats()")
    assert (figures["video"]["width"], figures["video"]["height"]) == (160, 90)
    assert figures["video"]["framesDecoded"] > 0
    assert figures["transport"]["protocol"] == "UDP"
    assert figures["transport"]["dtls"].startswith("DTLS 1.")
    assert figures["transport"]["srtpCipher"]
    await becomes(page, "document.getElementById('title').textContent", "East pier")
    await becomes(page, "document.getElementById('facts').textContent", "Live for 3 min · 3 watching")


async def test_the_offer_leaves_before_anything_is_asked(page: Page, server: WhepServer) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(server.url)))
    await page.goto(f"{server.url}/watch/cam")
    await becomes(page, _STATE, "playing")
    assert asked.index("/whep/cam") < asked.index("/api/v1/live")


async def test_says_in_words_why_there_is_no_picture(page: Page, server: WhepServer) -> None:
    for refusal, title, state in _REFUSALS:
        server.refusal = refusal
        await page.goto(f"{server.url}/watch/cam")
        await becomes(page, _MESSAGE, title)
        assert await page.evaluate(_STATE) == state, title
        spoken = await page.evaluate("document.querySelector('[role=status]').textContent")
        assert spoken.startswith(title)


async def test_says_that_media_stays_on_the_servers_machine(page: Page, server: WhepServer) -> None:
    async def nowhere(route: Route) -> None:
        answer = await route.fetch()
        sdp = re.sub(r"(a=candidate:\S+ 1 udp \d+) \S+ \d+", r"\1 127.0.0.1 9", await answer.text())
        await route.fulfill(response=answer, body=sdp)

    await page.clock.install()
    await page.route("**/whep/cam", nowhere)
    await page.goto(f"{server.url}/watch/cam")
    await becomes(page, "window.streamerPlayer?.hasVideo", True)
    await page.clock.fast_forward(20_000)
    await becomes(page, _MESSAGE, "The video does not leave the server\u2019s machine")


async def test_shows_the_picture_when_the_stream_goes_live(page: Page, server: WhepServer) -> None:
    server.refusal = Refusal(409, "not_live", "'cam' is not live")
    await page.goto(f"{server.url}/watch/cam")
    await becomes(page, _MESSAGE, "Not live yet")
    server.refusal = None
    await becomes(page, _STATE, "playing")
    assert await page.evaluate(_MESSAGE) is None


async def test_waits_for_a_source_that_starts_slowly(page: Page, server: WhepServer) -> None:
    server.answer_after_s = _PULL_PATIENCE_S
    await page.goto(f"{server.url}/watch/cam")
    await becomes(page, _STATE, "playing")
    assert len(server.posts) == 1


async def test_takes_a_token_from_the_viewer(page: Page, server: WhepServer) -> None:
    server.token = "let me in"
    await page.goto(f"{server.url}/watch/cam?token=wrong")
    await becomes(page, _MESSAGE, "This token does not open this stream")
    assert page.url == f"{server.url}/watch/cam#token=wrong"
    await page.fill("input[aria-label='Viewing token']", "let me in")
    await page.keyboard.press("Enter")
    await becomes(page, _STATE, "playing")
    assert server.posts == ["Bearer wrong", "Bearer let me in"]


async def test_stays_connected_while_the_publisher_is_away(page: Page, server: WhepServer) -> None:
    await page.goto(f"{server.url}/watch/cam")
    await becomes(page, _STATE, "playing")
    server.flowing.clear()
    server.show("waiting")
    await becomes(page, _NOTICE, "The publisher is away")
    assert await page.evaluate(_STATE) == "stalled"
    server.flowing.set()
    await becomes(page, _STATE, "playing")
    assert await page.evaluate(_NOTICE) is None
    assert len(server.posts) == 1


async def test_stays_connected_where_packets_are_not_counted(page: Page, server: WhepServer) -> None:
    await page.add_init_script(_FIREFOX_STATISTICS)
    await page.goto(f"{server.url}/watch/cam")
    await becomes(page, _STATE, "playing")
    server.flowing.clear()
    server.show("waiting")
    await becomes(page, _NOTICE, "The publisher is away")
    await page.evaluate(
        "[session, heardAt] = [streamerPlayer.session, streamerPlayer.session.watch.answeredAt]"
    )
    await becomes(page, "session.closed || session.watch.answeredAt > heardAt", True)
    assert not await page.evaluate("session.closed")


async def test_comes_back_after_the_server_restarts(page: Page, server: WhepServer) -> None:
    await page.goto(f"{server.url}/watch/cam")
    await becomes(page, _STATE, "playing")
    await becomes(page, _VIEWERS, "3 watching")
    await server.stop()
    await becomes(page, _MESSAGE, "Server unreachable")
    # Nobody knows meanwhile.
    await becomes(page, _VIEWERS, "")
    # The last picture stays on show meanwhile.
    assert await page.evaluate("document.querySelector('.still').hidden") is False
    await server.serve()
    await becomes(page, _STATE, "playing")
    assert await page.evaluate("[streamerPlayer.reconnects, document.querySelector('.still').hidden]") == [
        1,
        True,
    ]


async def test_a_pause_ends_the_session_and_play_starts_another(page: Page, server: WhepServer) -> None:
    await page.goto(f"{server.url}/watch/cam")
    await becomes(page, _STATE, "playing")
    (first,) = server.sessions
    await page.keyboard.press("Space")
    assert await page.evaluate(_STATE) == "idle"
    assert await asyncio.wait_for(server.ended.get(), 10) == first
    await page.keyboard.press("Space")
    await becomes(page, _STATE, "playing")
    assert await page.evaluate("streamerPlayer.reconnects") == 0


async def test_a_goodbye_that_the_network_lost_is_said_again(page: Page, server: WhepServer) -> None:
    tried: list[str] = []

    async def lose_the_first(route: Route) -> None:
        if route.request.method != "DELETE":
            await route.continue_()
            return
        tried.append(route.request.url)
        await (route.abort() if len(tried) == 1 else route.continue_())

    await page.route("**/whep/cam/*", lose_the_first)
    await page.goto(f"{server.url}/watch/cam")
    await becomes(page, _STATE, "playing")
    (session,) = server.sessions
    await page.keyboard.press("Space")
    assert await asyncio.wait_for(server.ended.get(), 10) == session
    assert len(tried) == 2


async def test_the_statistics_open_and_close_by_key(page: Page, server: WhepServer) -> None:
    await page.goto(f"{server.url}/watch/cam")
    await becomes(page, _STATE, "playing")
    shown = "getComputedStyle(document.getElementById('statistics')).display !== 'none'"
    await becomes(page, "document.getElementById('statistics') !== null", True)
    assert await page.evaluate(shown) is False
    await page.keyboard.press("i")
    assert await page.evaluate(shown) is True
    size = "[...document.querySelectorAll('.figure')].find((row) => row.textContent.startsWith('Size'))"
    await becomes(page, f"{size}.lastChild.textContent", "160\N{MULTIPLICATION SIGN}90")
    await page.keyboard.press("Escape")
    assert await page.evaluate(shown) is False


async def test_the_statistics_tell_what_is_received_where_transports_do_not(
    page: Page, server: WhepServer
) -> None:
    await page.add_init_script(_FIREFOX_STATISTICS)
    await page.goto(f"{server.url}/watch/cam")
    await becomes(page, _STATE, "playing")
    await page.keyboard.press("i")
    received = "document.querySelector('.panel-rate').firstChild.textContent"
    await becomes(page, f"/^[0-9.]+ [kM]?b\\/s$/.test({received})", True)


async def test_an_embedded_player_counts_nobody_while_the_server_is_unreachable(
    page: Page, server: WhepServer
) -> None:
    await page.goto(f"{server.url}/embed/cam")
    await becomes(page, _VIEWERS, "3 watching")
    await server.stop()
    await becomes(page, _VIEWERS, "")


async def test_an_embedded_player_can_be_bare(page: Page, server: WhepServer) -> None:
    await page.goto(f"{server.url}/embed/cam?controls=0&muted=0")
    await becomes(page, _STATE, "playing")
    await becomes(page, "document.querySelector('.bar')?.hidden", True)


async def test_the_index_follows_what_is_live(page: Page, server: WhepServer) -> None:
    server.show("live", title="<b>East</b> pier", warnings=["The source sends B-frames."])
    await page.goto(server.url)
    titles = "[...document.querySelectorAll('.card-title')].map((title) => title.textContent)"
    await becomes(page, titles, ["<b>East</b> pier"])
    card = page.locator(".card")
    media = "H.264 · 1280\N{MULTIPLICATION SIGN}720 · 30 fps · AAC · 2.5 Mb/s"
    assert await card.locator(".card-media").text_content() == media
    assert await card.locator(".card-since").text_content() == "Live for 3 min"
    assert await card.locator(".warning").text_content() == "The source sends B-frames."
    assert await card.locator("a").get_attribute("href") == "/watch/cam"
    server.show("offline", title="East pier")
    await becomes(page, titles, [])
    assert await page.locator("#offline-list").text_content() == "East pier"
    assert await page.locator("#empty").is_visible()
    await server.stop()
    await becomes(page, "document.getElementById('unreachable').hidden", False)
