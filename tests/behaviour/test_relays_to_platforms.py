"""A producer sends one SRT stream to three platforms from a page, sees it live and healthy, and ends it."""

from __future__ import annotations

import asyncio
import tomllib
import urllib.request
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
LIMIT_MS = 60_000


def registered(sandbox: SandboxProcess, log: Path) -> dict[str, dict[str, str]]:
    """The tables of an installation that is registered with the stand-in platforms, as it prints them."""
    wait_until(lambda: "SSL_CERT_FILE" in log.read_text(encoding="utf-8"), "the sandbox's greeting")
    text = log.read_text(encoding="utf-8")
    tables = tomllib.loads(text[text.index("[platforms.youtube]") : text.index("[[streams")])["platforms"]
    return {name: {**table, "ingest_ca_file": str(sandbox.ca_file)} for name, table in tables.items()}


def configuration(platforms: dict[str, dict[str, str]]) -> str:
    return "".join(
        f"[platforms.{name}]\n" + "".join(f'{key} = "{value}"\n' for key, value in table.items())
        for name, table in platforms.items()
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


def said_anywhere(server: Server, live: str) -> dict[str, bytes]:
    """Everything that a server shows of itself while it relays, by where."""
    destinations = server.request("GET", "/api/v1/destinations")[1]
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        metrics = answer.read()
    state = server.folder / "state"
    return {
        "the API": f"{live}{destinations}".encode(),
        "the metrics": metrics,
        "the database": b"".join(path.read_bytes() for path in state.glob("streamer.db*")),
        "the process list": (Path("/proc") / str(server.pid) / "cmdline").read_bytes(),
    }


async def test_one_stream_on_three_platforms(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        platforms = registered(sandbox, tmp_path / "sandbox.log")
        with Server(configuration(platforms) + OPEN, itself=True) as server:
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
                    told = said_anywhere(server, str(live))
                    for platform in PLATFORMS:
                        card = page.locator(".relay", has_text=platform)
                        await card.get_by_role("button", name="Stop").click()
                        await expect(card).to_have_attribute("data-state", "ended", timeout=LIMIT_MS)
            told |= {"the log": server.output.encode()}
            sink = sandbox.control("GET", "")
        for relay in live:
            assert relay["encryption"].startswith("TLSv1.3")
            assert relay["statistics"]["pictures_dropped"] == 0
            assert relay["statistics"]["reconnects"] == 0
        keys = {each["key"] for each in (*sink["receptions"], *sink["programmes"]) if each["key"]}
        assert len(keys) >= len(PLATFORMS)
        secrets = {KEY, *keys, *(table["client_secret"] for table in platforms.values())}
        found = {
            (where, secret) for where, text in told.items() for secret in secrets if secret.encode() in text
        }
        assert found == set()
        ended = {
            each["platform"]: each["ended_at"]
            for each in sink["programmes"]
            if each["title"] == "The evening"
        }
        assert ended["youtube"] is not None
        assert ended["facebook"] is not None
