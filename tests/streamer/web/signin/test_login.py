from __future__ import annotations

from tests.streamer.web.rig import WebRig
from tests.streamer.web.signin.rig import Browser, audited, user


async def test_a_password_opens_a_session_and_logging_out_ends_it(rig: WebRig) -> None:
    anna = await user(rig, "anna")
    browser = Browser(rig)
    assert (await browser.get("/api/v1/session"))["name"] == ""
    answer = await browser.sign_in("Anna")
    assert browser.status == 200
    assert answer["second_step"] is None
    assert (answer["session"]["name"], answer["session"]["standing"]) == ("anna", "full")
    assert answer["session"]["actions"] == []
    cookie = browser.set["session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert cookie["secure"] == ""
    assert browser.answered["Cache-Control"] == "no-store"
    assert (await browser.get("/api/v1/session"))["name"] == "anna"
    kept = dict(browser.cookies)
    await browser.post("/api/v1/logout")
    assert browser.status == 204
    assert browser.cookies == {}
    browser.cookies = kept
    assert (await browser.get("/api/v1/session"))["name"] == ""
    assert await audited(rig) == [(anna.id, "login", "done"), (anna.id, "logout", "done")]
