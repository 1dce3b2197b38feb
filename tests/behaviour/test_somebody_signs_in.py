"""Somebody signs in with a real browser: from the set-up link of a new server to the picture, and out."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator

import pyotp
import pytest
from playwright.async_api import Page, Route, async_playwright, expect
from typer.testing import CliRunner

from loadtests.rig.browser import chromium_path
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import wait_until
from loadtests.rig.server import Server
from ops.cli import app as cli
from tests.behaviour.streams import KEY, stream_id
from tests.rigs.pages import untroubled

pytestmark = pytest.mark.browser

SMALL = Programme(size="160x90", fps=15, bitrate_kbps=100)
STREAMS = f'[streams.studio]\ntitle = "Studio"\npublish_key = "{KEY}"\n'
PASSWORD = "ein Pferd frisst Holz"
PATIENCE_S = 30.0
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
}
#: Where the login page leads to, of what an address may ask for.
LOCAL = """import("/static/js/address.js").then(({ localPath }) => [
  "/watch/studio#x", "https://evil.example/", "//evil.example/",
  "/\\\\evil.example", "/\\t/evil.example", "javascript:alert(1)",
].map(localPath))"""
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(STREAMS) as server:
        yield server


def url(server: Server) -> str:
    """Passkeys are for hosts with a name."""
    return server.url.replace("127.0.0.1", "localhost")


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A page that fails the test on anything its policy or its scripts did not allow for."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=_FLAGS)
        page = await browser.new_page(viewport={"width": 1100, "height": 800})
        page.set_default_timeout(PATIENCE_S * 1000)
        with untroubled(page):
            yield page
            await browser.close()


async def streamer(server: Server, *arguments: str, typed: str = "") -> str:
    """What a command prints, beside the running server."""

    def run() -> str:
        done = CliRunner().invoke(cli, [*arguments, "--config", str(server.config_path)], input=typed)
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    # Commands bring an event loop of their own.
    return await asyncio.to_thread(run)


#: What is sent when, one answer after the other.
ORDER = """import("/static/js/session.js").then(async ({ ask }) => {
  const sent = [], answers = [];
  window.fetch = (path) => new Promise((resolve) => {
    sent.push(path);
    answers.push(() => resolve(new Response("{}")));
  });
  const asked = ["/a", "/b", "/api/v1/account/passkeys", "/c", "/api/v1/logout"].map((path) =>
    ask(path.startsWith("/api") ? "POST" : "GET", path));
  const seen = [];
  for (const one of asked.keys()) {
    while (sent.length <= one) await new Promise((resolve) => setTimeout(resolve));
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve));
    seen.push([...sent]);
    answers[one]();
  }
  await Promise.all(asked);
  return seen;
})"""


async def sign_in(page: Page, server: Server, name: str, where: str) -> None:
    await page.goto(f"{url(server)}/login?next={where}")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()


async def test_no_request_is_under_way_with_the_old_cookie_while_it_is_renewed(
    page: Page, server: Server
) -> None:
    await page.goto(f"{url(server)}/static/js/session.js")  # a page that asks for nothing itself
    passkeys, logout = "/api/v1/account/passkeys", "/api/v1/logout"
    assert await page.evaluate(ORDER) == [
        ["/a", "/b"],
        ["/a", "/b"],
        ["/a", "/b", passkeys],
        ["/a", "/b", passkeys, logout],
        ["/a", "/b", passkeys, logout, "/c"],
    ]


async def test_from_the_setup_link_to_the_picture(page: Page, server: Server) -> None:
    wait_until(lambda: "/setup#" in server.output, PATIENCE_S, "the set-up link")
    (token,) = re.findall(r"http://\S+/setup#(\S+)", server.output)
    link = f"{url(server)}/setup#{token}"

    await page.goto(link)
    await expect(page.get_by_text("Nobody administers this")).to_be_visible()
    await page.get_by_label("Name").fill("chief")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("Password again").fill(PASSWORD)
    await page.get_by_role("button", name="Begin").click()
    await expect(page.get_by_role("heading", name="chief")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    # It worked once.
    await page.goto(link)
    await expect(page.get_by_role("alert")).to_contain_text("not the present set-up link")
    await expect(page.get_by_text("Nobody administers this")).to_be_hidden()

    await streamer(server, "user", "add", "anna")
    await streamer(server, "user", "password", "anna", typed=f"{PASSWORD}\n")
    grant = await streamer(server, "grant", "add", "anna", "viewer", "--stream", "studio")
    await streamer(server, "grant", "add", "anna", "publisher", "--stream", "*")

    await sign_in(page, server, "anna", "/account")
    await page.get_by_role("button", name="Add an authenticator app").click()
    await expect(page.get_by_alt_text("QR code")).to_be_visible()
    seed = (await page.locator("#app-seed").inner_text()).replace(" ", "")
    app = pyotp.TOTP(seed)
    await page.get_by_label("Code that it shows").fill(app.now())
    await page.get_by_role("button", name="Use this app").click()
    await expect(page.locator("#codes-list li")).to_have_count(10)

    authenticator = await page.context.new_cdp_session(page)
    await authenticator.send("WebAuthn.enable")
    await authenticator.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    await page.get_by_role("button", name="Add a passkey").click()
    await expect(page.get_by_text("not used yet")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("link", name="Sign in").click()
    assert await page.evaluate(LOCAL) == ["/watch/studio#x", "/", "/", "/", "/", "/"]
    await page.get_by_role("button", name="Use a passkey").click()
    await page.get_by_role("link", name="anna").click()
    await expect(page.get_by_text("by passkey")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("link", name="Sign in")).to_be_visible()

    with ffmpeg_srt(server.srt_port, stream_id("studio"), SMALL):
        server.wait_live("studio")
        await page.goto(f"{url(server)}/watch/studio")
        await expect(page.locator(".message-title")).to_have_text("This stream needs a viewing token")
        await expect(page.get_by_role("link", name="Publish")).to_be_hidden()

        await page.get_by_role("link", name="Sign in").click()
        await page.get_by_label("Name").fill("anna")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        # Of the next time step: the present one's was used a moment ago.
        await page.get_by_label("Code").fill(app.at(int(time.time()), counter_offset=1))
        await page.get_by_role("button", name="Sign in").click()
        await becomes(page, "streamerPlayer?.state", "playing")
        await expect(page.get_by_role("link", name="anna")).to_be_visible()
        await expect(page.get_by_role("link", name="Publish")).to_have_attribute("href", "/publish/studio")
        assert len(server.viewers()) == 1

        await streamer(server, "grant", "remove", grant)
        await expect(page.locator(".message-title")).to_have_text("You may not watch this stream")
        assert server.viewers() == []
        assert "viewer left: the grant has ended" in server.output

    assert seed not in server.output
    assert PASSWORD not in server.output
    exported = await streamer(server, "audit", "export")
    entries = [json.loads(line)["what"] for line in exported.splitlines()]
    assert {"setup", "login", "logout", "factor.add"} <= set(entries)


async def becomes(page: Page, expression: str, value: object) -> None:
    """Wait until an expression has a value; the policy forbids the polling that Playwright would inject."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                if await page.evaluate(expression) == value:
                    return
            except Exception:  # between two pages
                pass
            await asyncio.sleep(0.05)


async def test_a_password_is_changed_long_after_signing_in(page: Page, server: Server) -> None:
    await streamer(server, "user", "add", "carla")
    await streamer(server, "user", "password", "carla", typed=PASSWORD)
    await sign_in(page, server, "carla", "/account")
    asked: list[str] = []

    async def too_long_ago(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) > 1:
            await route.continue_()
        else:
            await route.fulfill(status=403, json={"error": "proof_needed", "message": "prove again"})

    await page.route("**/api/v1/account/password", too_long_ago)
    for present, said in (("not the password", "wrong"), (PASSWORD, "Changed")):
        asked.clear()
        await page.get_by_label("Present password").fill(present)
        await page.get_by_label("New password").fill("vier blaue Pferde kochen")
        await page.get_by_role("button", name="Change the password").click()
        await expect(page.locator("#problem, #password-changed").filter(visible=True)).to_contain_text(said)
    assert len(asked) == 2


async def test_who_was_signed_out_elsewhere_finds_the_way_to_sign_in(page: Page, server: Server) -> None:
    await streamer(server, "user", "add", "dora")
    await streamer(server, "user", "password", "dora", typed=PASSWORD)
    await sign_in(page, server, "dora", "/account")
    await page.get_by_label("Present password").fill(PASSWORD)
    await page.get_by_label("New password").fill("vier blaue Pferde kochen")
    (dora,) = (user for user in server.request("GET", "/api/v1/users")[1]["users"] if user["name"] == "dora")
    assert server.request("DELETE", f"/api/v1/users/{dora['id']}/sessions")[0] == 204
    await page.get_by_role("button", name="Change the password").click()
    await page.locator("#problem").get_by_role("link", name="/login").click()
    await page.wait_for_url("**/login?next=%2Faccount")
