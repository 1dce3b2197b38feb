"""The player's reports reach the figures, also when the tab is closed, and the dashboard shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import expect

from loadtests.rig.browser import Watcher, chromium
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import wait_until
from loadtests.rig.server import Server
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
