"""A producer sends one SRT stream to three platforms from a page, sees it live and healthy, and ends it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Page, expect

from loadtests.rig.browser import chromium
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.server import Server
from tests.behaviour.streams import KEY, OPEN, stream_id
from tests.fakes.wait import wait_until
from tests.rigs.sandbox import SandboxProcess, consent, sandbox_process

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PLATFORMS = ("youtube", "facebook", "twitch")
_APP = re.compile(r"^\s+(youtube|facebook|twitch)\s+id (\S+)\s+secret (\S+)", re.MULTILINE)
LIMIT_MS = 60_000


def registered(sandbox: SandboxProcess, log: Path) -> str:
    """The tables of an installation that is registered with the stand-in platforms."""
    wait_until(lambda: log.read_text(encoding="utf-8").count("accounts"), "the sandbox's greeting")
    apps: dict[str, tuple[str, str]] = {}
    for platform, id, secret in _APP.findall(log.read_text(encoding="utf-8")):
        apps.setdefault(platform, (id, secret))
    return "".join(
        f'[platforms.{platform}]\nclient_id = "{id}"\nclient_secret = "{secret}"\n'
        f'base_url = "{sandbox.addresses.http}/{platform}"\ningest_ca_file = "{sandbox.ca_file}"\n'
        for platform, (id, secret) in apps.items()
    )


async def connect(server: Server) -> None:
    """Connect an account on each platform, as a browser would."""
    headers = {"Authorization": f"Bearer {server.token}"}
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(server.url, cookie_jar=jar) as http, aiohttp.ClientSession() as person:
        for platform in PLATFORMS:
            path = f"/api/v1/platforms/{platform}/connections"
            async with http.post(path, headers=headers, json={}) as answer:
                departure = await answer.json()
                assert answer.status == 200, departure
            back = await consent(person, departure["authorization_url"])
            async with http.get(back, allow_redirects=False) as answer:
                assert "connected=" in answer.headers["Location"]


async def add(page: Page, platform: str) -> None:
    await page.click("#add")
    await page.wait_for_selector("dialog[open]")
    await page.fill("#name", platform)
    value = await page.locator(f'#target option[value^="{platform} "]').get_attribute("value")
    await page.select_option("#target", value)
    await page.fill("#title", "The evening")
    await page.click("#save")


async def test_one_stream_on_three_platforms(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        with Server(registered(sandbox, tmp_path / "sandbox.log") + OPEN) as server:
            await connect(server)
            with ffmpeg_srt(server.srt_port, stream_id(), Programme()):
                await asyncio.to_thread(server.wait_live, "cam")
                async with chromium() as browser:
                    page = await browser.new_page()
                    await page.goto(f"{server.url}/relays#token={server.token}")
                    for platform in PLATFORMS:
                        await add(page, platform)
                        card = page.locator(".relay", has_text=platform)
                        await card.get_by_role("button", name="Start").click()
                    for platform in PLATFORMS:
                        card = page.locator(".relay", has_text=platform)
                        await expect(card).to_have_attribute("data-state", "live", timeout=LIMIT_MS)
                        await expect(card.locator(".relay-figures")).to_contain_text("good", timeout=LIMIT_MS)
                    live = server.request("GET", "/api/v1/relays")[1]["relays"]
                    for platform in PLATFORMS:
                        card = page.locator(".relay", has_text=platform)
                        await card.get_by_role("button", name="Stop").click()
                        await expect(card).to_have_attribute("data-state", "ended", timeout=LIMIT_MS)
            said = str(server.request("GET", "/api/v1/destinations")[1]) + str(live) + server.output
        for relay in live:
            assert relay["encryption"].startswith("TLSv1.3")
            assert relay["statistics"]["pictures_dropped"] == 0
            assert relay["statistics"]["reconnects"] == 0
        secrets = [KEY, *(secret for _, _, secret in _APP.findall((tmp_path / "sandbox.log").read_text()))]
        assert [secret for secret in secrets if secret in said] == []
