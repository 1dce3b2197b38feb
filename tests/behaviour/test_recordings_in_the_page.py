"""Who manages a stream finds its recordings in a page, plays them there, cuts parts out and removes them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from playwright.async_api import Browser, Page, expect

from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.server import Server
from tests.behaviour.streams import stream_id
from tests.behaviour.test_streams_are_recorded import RECORDED, TABLE, publish, recordings

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

OTHERS = '[streams."idle"]\nrecord = true\n'
SECONDS = 6


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(TABLE + RECORDED + OTHERS) as server:
        publish(server, Programme(size="320x180", video="h264-b", gop_s=1))
        yield server


async def opened(browser: Browser, server: Server, more: str = "") -> Page:
    page = await (await browser.new_context(accept_downloads=True)).new_page()
    await page.goto(f"{server.url}/recordings{more}#token={server.token}")
    return page


async def played_to(page: Page, seconds: float) -> None:
    """Wait until so much was played."""
    reached = """seconds => new Promise(resolve => {
        const video = document.querySelector("video");
        const look = () => (video.currentTime >= seconds ? resolve() : setTimeout(look, 20));
        look();
    })"""
    async with asyncio.timeout(30):
        await page.evaluate(reached, seconds)


async def test_one_is_played_and_a_part_of_it_downloaded(
    server: Server, browser: Browser, tmp_path: Path
) -> None:
    (recording,) = recordings(server)
    page = await opened(browser, server)
    row = page.locator(".recording")
    await expect(row).to_have_count(1)
    await expect(row).to_contain_text("cam")
    await expect(row).to_contain_text("6 s")
    await expect(row).to_contain_text(re.compile(r"H\.264 · 320.180 · AAC"))
    await expect(page.locator("#summary")).to_contain_text("1 recording")
    await row.get_by_role("button", name="Play").click()
    await played_to(page, 2.2)
    await page.get_by_role("button", name="Set to here").first.click()
    await played_to(page, 4.2)
    await page.get_by_role("button", name="Set to here").last.click()
    await expect(page.locator("#clip-from")).to_have_text("0:02")
    await expect(page.locator("#clip-to")).to_have_text("0:04")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download the clip").click()
    clip = tmp_path / "clip.mp4"
    await (await download.value).save_as(clip)
    with av.open(str(clip)) as container:
        pictures = sum(1 for _ in container.decode(video=0))
    # From the keyframe before the one moment up to the other, of a video that went on playing meanwhile.
    assert 2.0 * 30 <= pictures <= (SECONDS - 2) * 30
    assert await page.locator("#player-problem").is_hidden()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download all of it").click()
    assert (await download.value).suggested_filename == f"{recording['id']}.mp4"
    await page.get_by_role("button", name="Close").click()
    await expect(page.locator("video")).not_to_have_attribute("src", "")
    await page.context.close()


async def test_what_is_being_written_comes_into_the_list_and_what_is_removed_goes(
    server: Server, browser: Browser
) -> None:
    page = await opened(browser, server)
    await expect(page.locator(".recording")).to_have_count(1)
    with ffmpeg_srt(server.srt_port, stream_id(), Programme(size="320x180")):
        newest = page.locator(".recording").first
        await expect(newest).to_contain_text("since", timeout=30_000)
        await expect(newest.get_by_text("Recording")).to_be_visible()
        await expect(newest.get_by_role("button", name="Remove")).to_be_hidden()
        await expect(page.locator("#summary")).to_contain_text("1 being written")
    await expect(page.locator("#summary")).not_to_contain_text("being written", timeout=30_000)
    page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    await newest.get_by_role("button", name="Remove").click()
    await expect(page.locator(".recording")).to_have_count(1)
    assert len(recordings(server)) == 1
    await page.context.close()


async def test_those_of_one_stream_are_chosen(server: Server, browser: Browser) -> None:
    page = await opened(browser, server)
    await page.get_by_label("Stream", exact=True).select_option("idle")
    await expect(page.locator("#empty")).to_be_visible()
    await expect(page.locator(".recording")).to_have_count(0)
    assert page.url.partition("#")[0] == f"{server.url}/recordings?stream=idle"
    await page.context.close()
    page = await opened(browser, server, "?stream=cam")
    await expect(page.locator(".recording")).to_have_count(1)
    await expect(page.get_by_label("Stream", exact=True)).to_have_value("cam")
    await page.context.close()


async def test_who_may_not_see_them_is_told_where_to_sign_in(server: Server, browser: Browser) -> None:
    page = await (await browser.new_context()).new_page()
    await page.goto(f"{server.url}/recordings")
    await expect(page.locator("#problem")).to_contain_text("Sign in")
    link = page.locator("#problem a").last
    await expect(link).to_have_attribute("href", "/login?next=/recordings")
    await page.context.close()
