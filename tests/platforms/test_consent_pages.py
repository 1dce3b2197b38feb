"""The consent pages in Chromium: somebody chooses an account, takes a scope back, and clicks."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from aiohttp import web
from playwright.async_api import Page

from loadtests.rig.browser import chromium
from ops.sandbox.app import Sandbox
from ops.sandbox.youtube.oauth import MANAGE, READ
from tests.platforms.facebook import Facebook
from tests.platforms.google import TV, Google
from tests.platforms.twitch import Twitch

pytestmark = pytest.mark.browser


async def test_people_click_and_the_browser_goes_back(
    google: Google, facebook: Facebook, twitch: Twitch, sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    arrived: list[str] = []

    async def callback(request: web.Request) -> web.Response:
        arrived.append(str(request.url))
        return web.Response(text="back")

    app = web.Application()
    app.add_routes([web.get("/callback", callback)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    here = f"http://127.0.0.1:{runner.addresses[0][1]}/callback"
    complaints: list[str] = []

    async def decide(page: Page, url: str, button: str, account: str = "") -> None:
        await page.goto(url)
        if account:
            await page.get_by_label(account).check()
        await page.get_by_role("button", name=button).click()

    try:
        async with chromium() as browser:
            page = await browser.new_page()
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            await page.goto(google.page(redirect_uri=here, scope=f"{MANAGE} {READ}"))
            await page.get_by_label("North Theatre").check()
            await page.get_by_label("View your YouTube account").uncheck()
            await page.get_by_role("button", name="Approve").click()
            await page.wait_for_url(lambda url: url.startswith(here))
            code = parse_qs(urlsplit(arrived[-1]).query)["code"][0]
            _, tokens = await google.redeem(code, redirect_uri=here)
            assert tokens["scope"] == MANAGE
            google.token = tokens["access_token"]
            _, body = await google.call("GET", "/channels", part="snippet", mine="true")
            assert body["items"][0]["snippet"]["title"] == "North Theatre"

            await decide(page, facebook.page(redirect_uri=here), "Approve", "Harriet Berg")
            await page.wait_for_url(lambda url: url.startswith(here))
            code = parse_qs(urlsplit(arrived[-1]).query)["code"][0]
            assert (await facebook.redeem(code, redirect_uri=here))[0] == 200

            await decide(page, twitch.page(redirect_uri=here), "Deny")
            await page.wait_for_url(lambda url: url.startswith(here))
            assert parse_qs(urlsplit(arrived[-1]).query)["error"] == ["access_denied"]

            _, device = await google.ask("/device/code", client_id=TV.id, scope=MANAGE)
            await page.goto(device["verification_url"])
            await page.get_by_label("The code it shows").fill("WRONG")
            await page.get_by_role("button", name="Next").click()
            await page.get_by_role("alert").wait_for()
            await page.get_by_label("The code it shows").fill(device["user_code"])
            await page.get_by_role("button", name="Next").click()
            await page.get_by_role("button", name="Approve").click()
            await page.get_by_role("heading", name="Approved").wait_for()
    finally:
        await runner.cleanup()
    assert [text for text in complaints if "favicon" not in text and "404" not in text] == []
