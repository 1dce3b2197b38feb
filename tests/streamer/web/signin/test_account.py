from __future__ import annotations

from typing import Any

import pytest

from auth.permissions.principals import Kind
from streamer.web.operations import CSRF_HEADER
from tests.auth.rig import PASSWORD, Clock
from tests.streamer.web.rig import WebRig
from tests.streamer.web.signin.rig import Browser, audited, code, user, with_app

NEW = "vier Esel lesen Zeitung"


@pytest.fixture
async def anna(rig: WebRig) -> Browser:
    """Her browser, signed in."""
    account = await user(rig, "anna")
    staff = await rig.identity.accounts.create(Kind.GROUP, "staff")
    await rig.identity.groups.add(staff.id, account.id)
    browser = Browser(rig, **{"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Firefox/150.0"})
    await browser.sign_in("anna")
    return browser


async def test_the_account(anna: Browser) -> None:
    account = await anna.get("/api/v1/account")
    assert (account["name"], account["groups"], account["has_password"]) == ("anna", ["staff"], True)
    assert (account["totp"], account["passkeys"], account["recovery_codes_left"]) == (False, [], 0)
    assert account["password_min_characters"] == 8 + 4


EVERYTHING = (
    ("GET", ""),
    ("POST", "/confirm"),
    ("POST", "/confirm/passkey"),
    ("POST", "/password"),
    ("GET", "/sessions"),
    ("DELETE", "/sessions"),
    ("DELETE", "/sessions/x"),
    ("POST", "/totp"),
    ("POST", "/totp/confirm"),
    ("DELETE", "/totp"),
    ("POST", "/passkeys/options"),
    ("POST", "/passkeys"),
    ("DELETE", "/passkeys/x"),
    ("POST", "/recovery-codes"),
)


async def test_it_is_for_its_owner_and_our_pages(rig: WebRig, anna: Browser) -> None:
    stranger = Browser(rig)
    known = {(each.method, each.path) for face in rig.signin.faces() for each in face.operations()}
    asked = [(method, f"/api/v1/account{path}") for method, path in EVERYTHING]
    assert {path.replace("/x", "/{id}") for _, path in asked} == {
        path for _, path in known if path.startswith("/api/v1/account")
    }
    for method, path in [*asked, ("POST", "/api/v1/logout")]:
        # Not even an administrator's token is somebody's account.
        for headers in ({}, rig.admin):
            answer = await stranger.ask(method, path, **headers)
            assert (stranger.status, answer["error"]) == (401, "unauthorized"), path
        if method == "GET":
            continue
        for wrong in ("", "x", anna.csrf[:-1], f"{'0' * 32}.{anna.csrf.partition('.')[2]}"):
            answer = await anna.ask(method, path, **{CSRF_HEADER: wrong})
            assert (anna.status, answer["error"]) == (403, "csrf"), path


async def test_a_password_is_changed(rig: WebRig, anna: Browser) -> None:
    phone = Browser(rig)
    await phone.sign_in("anna")
    before = dict(anna.cookies)

    async def change(old: str, new: str) -> Any:
        return await anna.post("/api/v1/account/password", {"old": old, "new": new})

    assert "12-1024 characters" in (await change(PASSWORD, "short"))["message"]
    assert anna.status == 400
    await change("wrong", NEW)
    assert anna.status == 401
    await change(PASSWORD, NEW)
    assert anna.status == 200
    assert anna.cookies != before
    # All others are out, and so is who had the old cookie.
    assert (await phone.get("/api/v1/session"))["name"] == ""
    assert (await anna.get("/api/v1/session"))["name"] == "anna"
    await Browser(rig).sign_in("anna", NEW)
    thief = Browser(rig)
    thief.cookies = before
    assert (await thief.get("/api/v1/session"))["name"] == ""
    entries = [(what, outcome) for _, what, outcome in await audited(rig)]
    assert ("password.change", "refused") in entries
    assert ("password.change", "done") in entries


async def test_sessions_are_listed_and_ended(rig: WebRig, anna: Browser) -> None:
    phone = Browser(rig, **{"User-Agent": "Mozilla/5.0 (iPhone) Safari/604.1"})
    await phone.sign_in("anna")
    bert = Browser(rig)
    await user(rig, "bert")
    await bert.sign_in("bert")
    sessions = (await anna.get("/api/v1/account/sessions"))["sessions"]
    assert {each["agent"]: each["current"] for each in sessions} == {
        "Firefox on Linux": True,
        "Safari on iOS": False,
    }
    (other,) = [each for each in sessions if not each["current"]]
    # Nobody ends another's.
    await bert.delete(f"/api/v1/account/sessions/{other['id']}")
    assert bert.status == 404
    await anna.delete(f"/api/v1/account/sessions/{other['id']}")
    assert anna.status == 204
    assert (await phone.get("/api/v1/session"))["name"] == ""
    assert (await anna.delete("/api/v1/account/sessions"))["ended"] == 0
    (own,) = (await anna.get("/api/v1/account/sessions"))["sessions"]
    await anna.delete(f"/api/v1/account/sessions/{own['id']}")
    assert anna.cookies == {}


async def test_an_old_session_must_prove_again(rig: WebRig, clock: Clock, anna: Browser) -> None:
    await anna.post("/api/v1/account/totp")
    assert anna.status == 200
    clock.advance(601)
    for method, path in (
        ("POST", "/api/v1/account/totp"),
        ("DELETE", "/api/v1/account/totp"),
        ("POST", "/api/v1/account/passkeys/options"),
        ("POST", "/api/v1/account/recovery-codes"),
    ):
        answer = await anna.ask(method, path)
        assert (anna.status, answer["error"]) == (403, "proof_needed")
    await anna.post("/api/v1/account/confirm", {"password": "wrong"})
    assert anna.status == 401
    await anna.post("/api/v1/account/confirm", {})
    assert anna.status == 401
    before = dict(anna.cookies)
    await anna.post("/api/v1/account/confirm", {"password": PASSWORD})
    assert anna.status == 200
    assert anna.cookies != before
    await anna.post("/api/v1/account/totp")
    assert anna.status == 200


async def test_who_must_show_a_factor_can_do_nothing_else(rig: WebRig, clock: Clock, anna: Browser) -> None:
    account = await rig.identity.accounts.named("anna")
    app = await with_app(rig, account)
    await rig.identity.accounts.require_factor((await rig.identity.accounts.named("staff")).id, True)
    rig.signin.sessions._freshness.doubt()
    await anna.post("/api/v1/account/password", {"old": PASSWORD, "new": NEW})
    assert anna.status == 403
    await anna.delete("/api/v1/account/sessions")
    assert anna.status == 403
    # The password alone proves what it proved before.
    answer = await anna.post("/api/v1/account/confirm", {"password": PASSWORD})
    assert answer["standing"] == "prove"
    answer = await anna.post("/api/v1/account/confirm", {"code": code(rig, app)})
    assert (answer["standing"], answer["two_factors"]) == ("full", True)
    await anna.get("/api/v1/account/sessions")
    assert anna.status == 200
