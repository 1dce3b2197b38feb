from __future__ import annotations

import json

from auth.signin.lockout import LockoutPolicy
from tests.auth.rig import PASSWORD, Clock
from tests.rigs.authenticator import Authenticator
from tests.streamer.web.rig import WebRig
from tests.streamer.web.signin.rig import Browser, audited, code, user, with_app, with_passkey


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


async def test_over_https_the_cookie_is_for_this_host_alone(rig: WebRig) -> None:
    await user(rig, "anna")
    browser = Browser(rig, **{"X-Forwarded-Proto": "https"})
    await browser.sign_in("anna")
    cookie = browser.set["__Host-session"]
    assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"]) == (True, True, "/", "")
    assert (await browser.get("/api/v1/session"))["name"] == "anna"
    # What another program on this host, or a page that came over plain HTTP, could set is not looked at.
    browser.cookies = {"session": browser.cookies["__Host-session"]}
    assert (await browser.get("/api/v1/session"))["name"] == ""


async def test_what_is_wrong_is_not_said(rig: WebRig) -> None:
    anna = await user(rig, "anna")
    await user(rig, "bert")
    bert = await rig.identity.accounts.named("bert")
    await rig.identity.accounts.disable(bert.id)
    browser = Browser(rig)
    computed = rig.identity.passwords.computed
    answers = []
    for name, password in (("anna", "wrong"), ("nobody", PASSWORD), ("bert", PASSWORD), ("a\x7fb", PASSWORD)):
        answers.append(await browser.sign_in(name, password))
        assert browser.status == 401
        assert browser.cookies == {}
    assert all(answer == answers[0] for answer in answers)
    # The same work for each of them, so that the time taken tells nothing either.
    assert rig.identity.passwords.computed == computed + 4
    refused = [entry for entry in await audited(rig) if entry[2] == "refused"]
    # Whose name was tried is kept, if it is a name here; not what was typed, which may be a password.
    assert refused == [(who, "login", "refused") for who in (anna.id, "", bert.id, "")]


async def test_a_second_step(rig: WebRig, clock: Clock) -> None:
    app = await with_app(rig, await user(rig, "anna"))
    browser = Browser(rig)
    step = (await browser.sign_in("anna"))["second_step"]
    assert browser.cookies == {}
    assert step["factors"] == ["totp"]
    await browser.post("/api/v1/login/factor", {"ticket": step["ticket"], "code": "1234"})
    assert browser.status == 401
    answer = await browser.post("/api/v1/login/factor", {"ticket": step["ticket"], "code": code(rig, app)})
    assert browser.status == 200
    assert answer["session"]["two_factors"]
    # A ticket is good for one session, and so is a code.
    clock.advance(30)
    await browser.post("/api/v1/login/factor", {"ticket": step["ticket"], "code": code(rig, app)})
    assert browser.status == 401
    await Browser(rig).sign_in("anna", code=code(rig, app))
    again = Browser(rig)
    await again.sign_in("anna", code=code(rig, app))
    assert again.status == 401


async def test_a_passkey_alone(rig: WebRig) -> None:
    anna = await user(rig, "anna", None)
    key = await with_passkey(rig, anna)
    browser = Browser(rig)
    ceremony = await browser.post("/api/v1/login/passkey/options", {})
    assert ceremony["options"]["rpId"] == "live.example"
    shown = json.loads(key.get(json.dumps(ceremony["options"]), resident=True))
    answer = await browser.post("/api/v1/login/passkey", {"ticket": ceremony["ticket"], "passkey": shown})
    assert browser.status == 200
    assert (answer["session"]["name"], answer["session"]["method"]) == ("anna", "passkey")
    await browser.post("/api/v1/login/passkey", {"ticket": ceremony["ticket"], "passkey": shown})
    assert browser.status == 401


async def test_a_passkey_as_the_second_step(rig: WebRig) -> None:
    anna, bert = await user(rig, "anna"), await user(rig, "bert")
    key, other = await with_passkey(rig, anna), await with_passkey(rig, bert)
    browser = Browser(rig)
    step = (await browser.sign_in("anna"))["second_step"]

    async def show(key: Authenticator) -> None:
        ceremony = await browser.post("/api/v1/login/passkey/options", {"ticket": step["ticket"]})
        shown = json.loads(key.get(json.dumps(ceremony["options"]), resident=True))
        body = {"ticket": step["ticket"], "passkey_ticket": ceremony["ticket"], "passkey": shown}
        await browser.post("/api/v1/login/factor", body)

    await show(other)
    assert browser.status == 401
    await show(key)
    assert browser.status == 200
    assert (await browser.get("/api/v1/session"))["two_factors"]


async def test_bodies_that_do_not_fit(rig: WebRig) -> None:
    bodies: list[tuple[str, dict[str, object]]] = [
        ("/api/v1/login", {"name": "anna"}),
        ("/api/v1/login", {"name": "anna", "password": "x", "admin": True}),
        ("/api/v1/login", {"name": "a" * 300, "password": "x"}),
        ("/api/v1/login/factor", {"code": "123456"}),
        ("/api/v1/login/passkey", {"ticket": "x", "passkey": "y"}),
    ]
    browser = Browser(rig)
    for path, body in bodies:
        answer = await browser.post(path, body)
        assert (browser.status, answer["error"]) == (400, "bad_request")


async def test_a_prepared_session_is_worth_nothing_after_a_login(rig: WebRig) -> None:
    """Fixation: who can have a browser keep a cookie of his choice learns nothing by it."""
    await user(rig, "anna")
    await user(rig, "mallory")
    mallory, victim = Browser(rig), Browser(rig)
    await mallory.sign_in("mallory")
    victim.cookies = dict(mallory.cookies)
    await victim.sign_in("anna")
    assert victim.cookies != mallory.cookies
    assert (await victim.get("/api/v1/session"))["name"] == "anna"
    # The prepared one has even ended, as its browser went on with another.
    assert (await mallory.get("/api/v1/session"))["name"] == ""
    victim.cookies = {"session": "of-mallorys-choice"}
    await victim.sign_in("anna")
    assert victim.cookies["session"] != "of-mallorys-choice"


async def test_no_page_of_another_site_signs_anybody_in(rig: WebRig) -> None:
    await user(rig, "anna")
    for site in ("cross-site", "same-site"):
        browser = Browser(rig, **{"Sec-Fetch-Site": site})
        answer = await browser.sign_in("anna")
        assert (browser.status, answer["error"]) == (403, "cross_site")
    # A form cannot send JSON, and another site's script is not told that it may.
    async with rig.client.post(
        "/api/v1/login", data=json.dumps({"name": "anna", "password": PASSWORD}),
        headers={"Content-Type": "text/plain"},
    ) as answered:  # fmt: skip
        assert answered.status == 415


async def test_many_wrong_passwords_lock_one_account_and_slow_one_address(rig: WebRig) -> None:
    await user(rig, "anna")
    await user(rig, "bert")
    attacker = Browser(rig, **{"X-Forwarded-For": "198.51.100.66"})
    statuses = []
    before = rig.identity.passwords.computed
    # A delay may just be over at the hundredth: then he is delayed for longer at the next.
    while len(statuses) < 100 or statuses[-1] != 429:
        await attacker.sign_in("anna", "wrong")
        statuses.append(attacker.status)
    assert set(statuses) == {401, 429}
    assert int(attacker.answered["Retry-After"]) >= 1
    tried = statuses.count(401)
    assert tried <= LockoutPolicy().address.free
    assert rig.identity.passwords.computed == before + tried
    # The account waits for whoever comes from elsewhere, too; others there do not.
    elsewhere = Browser(rig, **{"X-Forwarded-For": "203.0.113.5"})
    await elsewhere.sign_in("anna")
    assert elsewhere.status == 429
    await elsewhere.sign_in("bert")
    assert elsewhere.status == 200
    # Refusals of one address do not fill the log.
    assert len([entry for entry in await audited(rig) if entry[2] == "refused"]) < 50


async def test_names_that_are_paths_are_names(rig: WebRig) -> None:
    browser = Browser(rig)
    for name in ("../../etc/passwd", "anna/../chief", "%2e%2e/"):
        await browser.sign_in(name)
        assert browser.status == 401
    await browser.get("/static/../../config.py")
    assert browser.status in (404, 403)
    await browser.get("/static/%2e%2e/%2e%2e/config.py")
    assert browser.status == 404
    await browser.get("/api/v1/account/sessions/..%2f..%2f")
    assert browser.status in (404, 405)
