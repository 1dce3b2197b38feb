"""The player's reports reach the figures, also when the tab is closed, and the dashboard shows them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import expect
from sqlalchemy.engine import URL

from loadtests.audience.year import Size, fill
from loadtests.rig.browser import Watcher, chromium
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import wait_until
from loadtests.rig.server import Server
from ops.storage.database import open_database
from tests.behaviour.streams import KEY, OPEN, stream_id

pytestmark = pytest.mark.browser
PATIENCE_S = 30.0


@pytest.fixture
def server() -> Iterator[Server]:
    with (
        Server(f'{OPEN}\n[engagement]\nflush_s = 1\n[streams.quiet]\npublish_key = "{KEY}"\n') as server,
        ffmpeg_srt(server.srt_port, stream_id(), Programme(size="320x180", bitrate_kbps=400)),
    ):
        server.wait_live("cam")
        yield server


@pytest.fixture
async def past() -> AsyncIterator[Server]:
    """A server with some days behind it."""
    server = Server(f'[streams.stream-0]\npublish_key = "{KEY}"\npublic = true\n')
    (database,) = (server.folder / "state").glob("*.db")
    engine = await open_database(URL.create("sqlite", database=str(database)))
    await fill(engine, Size(streams=1, a_day=30, days=6), time.time())
    await engine.dispose()
    with server:
        yield server


def sessions(server: Server) -> list[Any]:
    found: list[Any] = server.request("GET", "/api/v1/analytics/streams/cam/sessions")[1]["sessions"]
    return found


async def test_a_closed_tab_has_told_how_it_went(server: Server) -> None:
    async with chromium() as browser:
        dashboard = await Watcher.open(browser, f"{server.url}/dashboard#token={server.token}")
        page = dashboard.page
        await expect(page.locator(".tile")).to_have_count(2, timeout=PATIENCE_S * 1000)
        watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
        await watcher.wait_playing()
        await expect(page.locator("#summary")).to_have_text("1 watching", timeout=PATIENCE_S * 1000)
        await watcher.wait_more(90)
        await watcher.page.close(run_before_unload=True)
        wait_until(lambda: len(sessions(server)) == 1, PATIENCE_S, "the session")
        (session,) = sessions(server)
        assert session["reason"] == "the viewer left"
        assert session["decoded"] > 30
        assert (session["width"], session["height"]) == (320, 180)
        assert 0 < session["start_ms"] < 60_000
        assert session["visible_s"] > 1
        assert session["audible_s"] == 0  # it began muted
        # Asks anew.
        await page.locator("#span").select_option("3600")
        await expect(page.locator("#sessions tr")).to_have_count(1, timeout=PATIENCE_S * 1000)
        await expect(page.locator("#concurrent .line")).to_have_count(1)
        assert await page.locator("#figures div").count() == 10
        assert await page.locator("#retention path.line").count() == 1
        assert dashboard.problems == []
        assert watcher.problems == []


async def test_only_what_is_on_the_screen_counts_as_seen_and_all_of_it(server: Server) -> None:
    async with chromium() as browser:
        watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
        await watcher.wait_playing()
        # Two seconds of them, of which the first come at once.
        await watcher.wait_more(60)
        await watcher.page.evaluate(
            """Object.defineProperty(document, "hidden", { get: () => true });
            document.dispatchEvent(new Event("visibilitychange"))"""
        )
        await watcher.wait_more(90)
        await watcher.page.close(run_before_unload=True)
        # Before the browser is closed, which waits for nothing that its pages still send.
        await asyncio.to_thread(wait_until, lambda: sessions(server), PATIENCE_S, "the session")
    (session,) = sessions(server)
    hidden_s = 90 / 30
    assert 0.8 < session["visible_s"] < session["watch_s"] - hidden_s + 0.5


async def test_who_leafs_through_sessions_keeps_his_place(past: Server) -> None:
    async with chromium() as browser:
        page = await browser.new_page()
        await page.clock.install()
        await page.goto(f"{past.url}/dashboard#token={past.token}")
        rows = page.locator("#sessions tr")
        await page.locator("#span").select_option("604800")
        await expect(rows).to_have_count(50)
        await page.locator("#more").click()
        await expect(rows).to_have_count(100)
        async with page.expect_response("**/breakdown*by=device*") as shown_again:
            await page.clock.run_for(16_000)
        await (await shown_again.value).finished()
        async with page.expect_response("**/breakdown*by=device*"):
            await page.clock.run_for(16_000)
        await expect(rows).to_have_count(100)
        async with page.expect_response("**/sessions?*"):
            await page.locator("#span").select_option("2592000")
        await expect(rows).to_have_count(50)


async def test_days_are_those_of_the_clock_on_the_wall(past: Server) -> None:
    async with chromium() as browser:
        context = await browser.new_context(timezone_id="America/New_York", locale="en-US")
        page = await context.new_page()
        await page.goto(f"{past.url}/dashboard#token={past.token}")
        await page.locator("#span").select_option("")
        day = datetime.now(ZoneInfo("America/New_York")) - timedelta(days=2)
        began = page.locator("#sessions tr td:first-child")
        for first, last in ((0, 0), (1, 0)):
            for field, days in (("#from", first), ("#to", last)):
                async with page.expect_response("**/sessions?*"):
                    await page.locator(field).fill(f"{day + timedelta(days):%Y-%m-%d}")
        shown = {f"{day + timedelta(days):%b} {(day + timedelta(days)).day}" for days in (0, 1)}
        await expect(began.first).to_contain_text(f"{day + timedelta(1):%b} {(day + timedelta(1)).day},")
        assert {text.split(",")[0] for text in await began.all_inner_texts()} <= shown
        # Of parts of the audience only whole days of UTC are told.
        await expect(page.locator("#devices .quiet").last).to_contain_text("Of whole days (UTC)")
        # What a date passes through while its year is typed.
        for year in ("0002", "9999"):
            async with page.expect_response("**/sessions?*") as answer:
                await page.locator("#from").fill(f"{year}-01-01")
            assert (await answer.value).ok
        await expect(page.locator("#trouble")).to_be_hidden()


async def test_what_is_chosen_among_many_streams_comes_into_view() -> None:
    many = "".join(f'[streams.stage-{n}]\npublish_key = "{KEY}"\n' for n in range(40))
    with Server(many) as server:
        async with chromium() as browser:
            dashboard = await Watcher.open(browser, f"{server.url}/dashboard#token={server.token}")
            heading = dashboard.page.locator("#stream")
            await dashboard.page.get_by_role("button", name="stage-1 0").click()
            await expect(heading).to_have_text("stage-1", timeout=PATIENCE_S * 1000)
            await expect(heading).to_be_in_viewport(timeout=PATIENCE_S * 1000)
            # Wider than a phone: who has no pointer scrolls it by key.
            table = dashboard.page.get_by_role("region", name="Sessions")
            assert await table.get_attribute("tabindex") == "0"
            assert dashboard.problems == []
