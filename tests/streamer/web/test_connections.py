from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from playwright.async_api import Page, async_playwright, expect
from yarl import URL

from auth.permissions.actions import Action, Role
from loadtests.rig.browser import chromium_path
from ops.sandbox.app import Sandbox
from tests.auth.rig import PASSWORD
from tests.rigs.connected import settings
from tests.rigs.pages import untroubled
from tests.rigs.sandbox import consent, sandbox
from tests.streamer.web.rig import WebRig
from tests.streamer.web.signin.rig import Browser, grant, user

PAGE = "61550000000000011"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture
async def platforms() -> AsyncIterator[Sandbox]:
    async with sandbox() as started:
        yield started


@pytest.fixture
async def rig(tmp_path: Path, platforms: Sandbox) -> AsyncIterator[WebRig]:
    rig = WebRig(tmp_path, settings={"platforms": settings(platforms)})
    await rig.open()
    yield rig
    await rig.close()


async def operator(rig: WebRig, name: str = "olga") -> Browser:
    await grant(rig, await user(rig, name), Role.OPERATOR)
    browser = Browser(rig)
    await browser.sign_in(name)
    return browser


async def connect(browser: Browser, platform: str, body: object = None, **person: str) -> str:
    """Through the consent page; where the browser ends up."""
    begun = await browser.post(f"/api/v1/platforms/{platform}/connections", body or {})
    assert browser.status == 200, begun
    async with aiohttp.ClientSession() as client:
        back = urlsplit(await consent(client, begun["authorization_url"], **person))
    await browser.get(f"{back.path}?{back.query}")
    assert browser.status == 303
    return browser.answered["Location"]


async def test_what_is_asked_for_and_why(rig: WebRig) -> None:
    found = await (await operator(rig)).get("/api/v1/platforms")
    assert [each["platform"] for each in found["platforms"]] == ["youtube", "facebook", "twitch"]
    youtube = found["platforms"][0]
    assert (youtube["configured"], youtube["device_code"]) == (True, True)
    assert youtube["redirect_url"].endswith("/connections/callback/youtube")
    assert all(scope["reason"] for each in found["platforms"] for scope in each["scopes"])


async def test_an_account_is_connected_listed_and_disconnected(rig: WebRig, platforms: Sandbox) -> None:
    browser = await operator(rig)
    location = await connect(browser, "facebook")
    connection_id = location.partition("connected=")[2]
    assert browser.cookies.keys() == {"session"}
    (listed,) = (await browser.get("/api/v1/connections"))["connections"]
    assert (listed["id"], listed["name"], listed["state"]) == (connection_id, "Harriet Berg", "connected")
    changed = await browser.ask("PATCH", f"/api/v1/connections/{connection_id}", {"page": PAGE})
    assert changed["page"] == PAGE
    await browser.ask("PATCH", f"/api/v1/connections/{connection_id}", {"page": "1"})
    assert browser.status == 422
    gone = await browser.delete(f"/api/v1/connections/{connection_id}")
    assert gone == {"revoked": True, "message": "Facebook has confirmed that it is disconnected"}
    assert [grant.ended for grant in platforms.facebook.tokens.grants] == ["revoked"]
    await browser.get(f"/api/v1/connections/{connection_id}")
    assert browser.status == 404


async def test_only_who_manages_the_server_connects(rig: WebRig) -> None:
    await grant(rig, await user(rig, "vera"), Role.VIEWER)
    browser = Browser(rig)
    await browser.sign_in("vera")
    for method, path in [
        ("GET", "/api/v1/platforms"),
        ("GET", "/api/v1/connections"),
        ("POST", "/api/v1/platforms/youtube/connections"),
        ("POST", "/api/v1/platforms/youtube/device-codes"),
        ("DELETE", "/api/v1/connections/x"),
    ]:
        await browser.ask(method, path, {} if method == "POST" else None)
        assert browser.status == 403, path


async def test_an_accounts_own_connection_is_its_own(rig: WebRig) -> None:
    olga, otto = await operator(rig), await operator(rig, "otto")
    location = await connect(olga, "twitch", {"own": True})
    path = f"/api/v1/connections/{location.partition('connected=')[2]}"
    assert (await olga.get(path))["owner"] == "account"
    assert (await otto.get("/api/v1/connections"))["connections"] == []
    await otto.delete(path)
    assert otto.status == 404
    token = Browser(rig, **rig.bearer(Action.MANAGE))
    refused = await token.post("/api/v1/platforms/twitch/connections", {"own": True})
    assert (token.status, refused["error"]) == (400, "no_account")


async def test_a_browser_that_did_not_ask_connects_nothing(rig: WebRig) -> None:
    browser, other = await operator(rig), Browser(rig)
    begun = await browser.post("/api/v1/platforms/twitch/connections", {})
    cookie = browser.set["connecting-twitch"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/connections")
    async with aiohttp.ClientSession() as client:
        back = urlsplit(await consent(client, begun["authorization_url"]))
    await other.get(f"{back.path}?{back.query}")
    assert other.answered["Location"] == "/connections?failed=not_begun&platform=twitch"
    assert (await browser.get("/api/v1/connections"))["connections"] == []


@pytest.mark.parametrize("name", ["a%20b", "a;b=c", "%0d%0aX:1"])
async def test_a_platform_that_is_no_word_is_not_found(rig: WebRig, name: str) -> None:
    url = URL(f"/connections/callback/{name}?code=x&state=y", encoded=True)
    async with rig.client.get(url, allow_redirects=False) as answer:
        assert (answer.status, (await answer.json())["error"]) == (404, "not_found")


async def test_who_says_no_there_is_told_here(rig: WebRig) -> None:
    location = await connect(await operator(rig), "youtube", decision="deny")
    assert location == "/connections?failed=access_denied&platform=youtube"


async def test_a_code_for_another_screen(rig: WebRig) -> None:
    browser = await operator(rig)
    offer = await browser.post("/api/v1/platforms/youtube/device-codes", {})
    assert offer["user_code"] and offer["verification_url"].startswith("http")
    state = await browser.get(f"/api/v1/device-codes/{offer['ticket']}")
    assert state == {"state": "pending", "connection": None}
    await browser.get("/api/v1/device-codes/x")
    assert browser.status == 404


@pytest.mark.parametrize("how", ["connections", "device-codes"])
async def test_that_there_is_nothing_to_connect_again_is_described(rig: WebRig, how: str) -> None:
    browser = await operator(rig)
    refused = await browser.post(f"/api/v1/platforms/youtube/{how}", {"again": "x"})
    assert (browser.status, refused["error"]) == (404, "no_such_connection")
    described = (await browser.get("/openapi.json"))["paths"][f"/api/v1/platforms/{{platform}}/{how}"]
    assert "404" in described["post"]["responses"]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A page that fails the test on anything its policy or its scripts did not allow for."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        with untroubled(page):
            yield page
        await browser.close()


@pytest.mark.browser
async def test_an_operator_connects_every_platform_by_clicking(
    rig: WebRig, platforms: Sandbox, page: Page
) -> None:
    await grant(rig, await user(rig, "olga"), Role.OPERATOR)
    origin = f"http://127.0.0.1:{rig.client.port}"
    # Not signed in: first there, then back.
    await page.goto(f"{origin}/connections")
    await page.get_by_label("Name").fill("olga")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    for platform, name in [
        ("youtube", "Harbour Radio"),
        ("facebook", "Harriet Berg"),
        ("twitch", "harbourradio"),
    ]:
        await page.locator(f"[data-connect={platform}]").click()
        await page.get_by_role("button", name="Approve").click()
        await expect(page.locator("#done")).to_have_text(f"{name} is connected.")
        row = page.locator(f"[data-platform={platform}] .connection")
        await expect(row.locator(".state")).to_have_text("Connected")
    # Who takes a permission back is told what is missing, and connects again.
    async with page.expect_response(lambda answer: answer.request.method != "GET"):
        await page.get_by_label("Publish as").select_option("Harbour Kitchen")
    await page.locator("[data-connect=twitch]").click()
    await page.get_by_label("NorthTheatre").check()
    await page.get_by_label("channel:read:stream_key").uncheck()
    await page.get_by_role("button", name="Approve").click()
    broken = page.locator("[data-state=reconnect]")
    await expect(broken).to_contain_text("connected without channel:read:stream_key")
    await broken.get_by_role("button", name="Reconnect").click()
    await page.get_by_label("NorthTheatre").check()
    await page.get_by_role("button", name="Approve").click()
    await expect(page.locator("#done")).to_have_text("norththeatre is connected.")
    await expect(broken).to_have_count(0)
    # Saying no connects nothing.
    await page.locator("[data-connect=youtube]").click()
    await page.get_by_role("button", name="Deny").click()
    await expect(page.locator("#problem")).to_contain_text(
        "YouTube was not connected: it was not allowed there"
    )
    # The page that was picked is still picked.
    await expect(page.get_by_label("Publish as")).to_have_value("61550000000000012")
    await page.locator("[data-platform=youtube] [data-leave]").click()
    await page.get_by_role("button", name="Disconnect").last.click()
    await expect(page.locator("#done")).to_contain_text("YouTube has confirmed")
    await expect(page.locator("[data-platform=youtube] .connection")).to_have_count(0)
    assert [grant.ended for grant in platforms.youtube.tokens.grants] == ["revoked"]
