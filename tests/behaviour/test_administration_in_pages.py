"""Somebody is let in by pages alone: an account, a group, a grant, a link to share, and what the log says."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from loadtests.rig.browser import chromium_path
from loadtests.rig.process import wait_until
from loadtests.rig.server import Server

pytestmark = pytest.mark.browser

PASSWORD = "ein Pferd frisst Holz"
PATIENCE_S = 90.0
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
_PHONE = 390


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server("[streams.cam]\n") as server:
        yield server


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE_S * 1000)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=_FLAGS)
        yield browser
        await browser.close()


async def opened(browser: Browser, trouble: list[str]) -> Page:
    """A page of somebody of his own, as wide as a phone; what its policy did not allow for is trouble."""
    page = await browser.new_page(viewport={"width": _PHONE, "height": 844})
    page.set_default_timeout(PATIENCE_S * 1000)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on(
        "console",
        lambda message: trouble.append(message.text) if "Content Security" in message.text else None,
    )
    return page


async def go(page: Page, section: str) -> None:
    await page.get_by_role("navigation").get_by_role("link", name=section).click()
    await expect(page.get_by_role("link", name=section)).to_have_attribute("aria-current", "page")
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= _PHONE, f"{section} is {width} pixels wide"
    await expect(page.get_by_role("link", name="Administration")).to_be_in_viewport(ratio=0.9)


async def secret(page: Page) -> str:
    """What is shown once."""
    shown = page.locator("#secret-text")
    await expect(shown).to_be_visible()
    return await shown.text_content() or ""


async def choose_password(page: Page, button: str) -> None:
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("Password again").fill(PASSWORD)
    await page.get_by_role("button", name=button).click()


async def sign_in(page: Page, name: str) -> None:
    """On the page that follows choosing a password."""
    await page.wait_for_url("**/login")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("link", name=name)).to_be_visible()


async def administrator(page: Page, server: Server, name: str) -> None:
    """Somebody new who is in charge, and signed in on this page."""
    _, made = server.request("POST", "/api/v1/users", {"name": name})
    grant = {"to": name, "what": "administrator", "stream": "*"}
    assert server.request("POST", "/api/v1/grants", grant)[0] == 201
    await page.goto(server.request("POST", f"/api/v1/users/{made['id']}/invitation", {})[1]["link"])
    await choose_password(page, "Use this password")
    await sign_in(page, name)


async def test_somebody_is_let_in_by_pages_alone(browser: Browser, server: Server) -> None:
    trouble: list[str] = []
    wait_until(lambda: "/setup#" in server.output, PATIENCE_S, "the set-up link")
    (link,) = re.findall(r"http://\S+/setup#\S+", server.output)
    chief = await opened(browser, trouble)
    await chief.goto(link)
    await chief.get_by_label("Name").fill("chief")
    await choose_password(chief, "Begin")
    await chief.get_by_role("link", name="Administration").click()

    # An account, and the link with which its owner chooses a password.
    await chief.get_by_text("Add an account").click()
    await chief.get_by_label("Name", exact=True).fill("anna")
    await chief.get_by_role("button", name="Add it").click()
    await chief.get_by_role("button", name="Invite: anna").click()
    invitation = await secret(chief)
    await chief.get_by_role("button", name="Done").click()

    await go(chief, "Groups")
    await chief.get_by_text("Add a group").click()
    await chief.get_by_label("Name", exact=True).fill("crew")
    await chief.get_by_role("button", name="Add it").click()
    await chief.get_by_text("Put somebody in").click()
    await chief.get_by_label("Who", exact=True).select_option(label="anna")
    await chief.get_by_role("button", name="Put in").click()
    await expect(chief.get_by_role("button", name="Take out: anna")).to_be_visible()

    await go(chief, "Grants")
    await chief.get_by_text("Give a grant").click()
    await chief.get_by_label("Account or group").fill("crew")
    await chief.get_by_label("What", exact=True).select_option("operator")
    await chief.get_by_role("textbox", name="Streams").fill("*")
    await chief.get_by_role("button", name="Give it").click()
    await expect(chief.get_by_text("crew: operator on everything")).to_be_visible()

    anna = await opened(browser, trouble)
    await anna.goto(invitation)
    await expect(anna.get_by_role("heading", name="Welcome, anna")).to_be_visible()
    await choose_password(anna, "Use this password")
    await sign_in(anna, "anna")

    # An operator finds what is his, and nothing else.
    await anna.goto(f"{server.url}/admin")
    sections = anna.get_by_role("navigation", name="Administration")
    await expect(sections.get_by_role("link")).to_have_text(["Tokens and links"])
    await anna.get_by_text("Make a link").click()
    await expect(anna.get_by_label("What it opens").locator("option")).to_have_text(
        ["page to watch", "player for an iframe", "page to publish", "WHEP address", "WHIP address, for OBS"]
    )
    await anna.locator("details[open]").get_by_role("textbox", name="Stream").fill("cam")
    await anna.get_by_role("button", name="Make it").click()
    assert (await secret(anna)).startswith(f"{server.url}/watch/cam#token=")
    await expect(anna.get_by_text("cam: page to watch")).to_be_visible()

    await go(chief, "Audit log")
    for what in ("grant.add", "group.join", "user.redeem", "user.invite"):
        await expect(chief.get_by_text(what, exact=True).first).to_be_visible()
    await chief.get_by_role("button", name="Check the whole log").click()
    await expect(chief.get_by_text("nothing was changed, removed or cut off")).to_be_visible()

    # What is taken back is gone for whoever had it.
    await go(chief, "Grants")
    await chief.get_by_role("button", name="Take back: crew").click()
    await chief.get_by_role("dialog").get_by_role("button", name="Take back").click()
    await expect(chief.get_by_role("button", name="Take back: crew")).to_have_count(0)
    await anna.goto(f"{server.url}/admin")
    await expect(anna.get_by_role("alert")).to_contain_text("administers nothing")
    assert trouble == []


async def test_what_is_typed_outlives_what_is_done_beside_it(browser: Browser, server: Server) -> None:
    trouble: list[str] = []
    chief = await opened(browser, trouble)
    await administrator(chief, server, "boss")
    for name, kind in (("berta", "user"), ("first", "service"), ("second", "service")):
        assert server.request("POST", "/api/v1/users", {"name": name, "kind": kind})[0] == 201
    await chief.goto(f"{server.url}/admin/users")
    await chief.get_by_text("Add an account").click()
    await chief.get_by_label("Name", exact=True).fill("half of a na")
    await chief.locator("summary", has_text="New API key").first.click()
    await chief.get_by_label("What it is for").first.fill("studio 2")

    await chief.get_by_role("button", name="Disable: berta").click()
    await chief.get_by_role("dialog").get_by_role("button", name="Disable").click()
    await expect(chief.get_by_role("button", name="Enable: berta")).to_be_visible()
    await expect(chief.get_by_label("Name", exact=True)).to_have_value("half of a na")
    await expect(chief.get_by_label("What it is for").first).to_have_value("studio 2")

    # What was sent is not there to be sent again, and nobody else's form unfolds.
    await chief.get_by_role("button", name="Make it").first.click()
    await secret(chief)
    await expect(chief.get_by_label("Name", exact=True)).to_have_value("half of a na")
    await expect(chief.get_by_label("What it is for").first).to_have_value("")
    await expect(chief.locator("details[open] > summary", has_text="New API key")).to_have_count(1)
    assert trouble == []


async def test_what_was_removed_elsewhere_is_shown_no_more(browser: Browser, server: Server) -> None:
    trouble: list[str] = []
    chief = await opened(browser, trouble)
    await administrator(chief, server, "second boss")
    assert server.request("POST", "/api/v1/users", {"name": "dora"})[0] == 201
    await chief.goto(f"{server.url}/admin/users")
    await expect(chief.get_by_role("button", name="Invite: dora")).to_be_visible()
    assert server.request("DELETE", "/api/v1/users/dora")[0] == 204
    await chief.get_by_role("button", name="Invite: dora").click()
    await expect(chief.get_by_role("alert")).to_contain_text("There is no 'dora' any more")
    await expect(chief.get_by_role("button", name="Invite: dora")).to_have_count(0)
    assert trouble == []


async def test_who_was_signed_out_elsewhere_is_led_to_signing_in(browser: Browser, server: Server) -> None:
    trouble: list[str] = []
    chief = await opened(browser, trouble)
    await administrator(chief, server, "third boss")
    await chief.goto(f"{server.url}/admin/groups")
    await chief.get_by_text("Add a group").click()
    await chief.get_by_label("Name", exact=True).fill("a group")
    (boss,) = (
        user for user in server.request("GET", "/api/v1/users")[1]["users"] if user["name"] == "third boss"
    )
    assert server.request("DELETE", f"/api/v1/users/{boss['id']}/sessions")[0] == 204
    await chief.get_by_role("button", name="Add it").click()
    await chief.wait_for_url("**/login?next=%2Fadmin%2Fgroups")
    assert trouble == []


async def test_the_keyboard_keeps_its_place(browser: Browser, server: Server) -> None:
    trouble: list[str] = []
    chief = await opened(browser, trouble)
    await administrator(chief, server, "fourth boss")
    assert server.request("POST", "/api/v1/users", {"name": "emil"})[0] == 201
    await chief.goto(f"{server.url}/admin/users")
    for button, then in (("Disable", "Invite: emil"), ("Remove", "Users")):
        await chief.get_by_role("button", name=f"{button}: emil").press("Enter")
        await chief.get_by_role("dialog").get_by_role("button", name=button).press("Enter")
        gone = chief.get_by_role("button", name=f"{button}: emil")
        await expect(gone).to_have_count(0)
        focused = chief.locator("*:focus")
        await expect(focused).to_have_accessible_name(then)
    assert trouble == []
