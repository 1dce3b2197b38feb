from __future__ import annotations

import base64
import json

import pyotp
import pytest

from auth.permissions.principals import Kind
from tests.auth.rig import PASSWORD
from tests.rigs.authenticator import Authenticator
from tests.streamer.web.rig import WebRig
from tests.streamer.web.signin.rig import Browser, audited, code, user


@pytest.fixture
async def anna(rig: WebRig) -> Browser:
    """Her browser, signed in."""
    await user(rig, "anna")
    browser = Browser(rig)
    await browser.sign_in("anna")
    return browser


async def add_app(rig: WebRig, browser: Browser) -> tuple[pyotp.TOTP, list[str]]:
    app = pyotp.TOTP((await browser.post("/api/v1/account/totp"))["seed"])
    codes = (await browser.post("/api/v1/account/totp/confirm", {"code": code(rig, app)}))["recovery_codes"]
    assert browser.status == 200
    return app, codes


async def add_passkey(browser: Browser, key: Authenticator, label: str = "") -> list[str]:
    ceremony = await browser.post("/api/v1/account/passkeys/options")
    made = json.loads(key.create(json.dumps(ceremony["options"])))
    body = {"ticket": ceremony["ticket"], "passkey": made, "label": label}
    codes: list[str] = (await browser.post("/api/v1/account/passkeys", body))["recovery_codes"]
    assert browser.status == 200
    return codes


async def test_an_app_is_set_up(rig: WebRig, anna: Browser) -> None:
    begun = await anna.post("/api/v1/account/totp")
    assert begun["uri"].startswith("otpauth://totp/Streamer:anna?")
    assert begun["qr_svg"].startswith("data:image/svg+xml")
    assert (await anna.get("/api/v1/account"))["totp"] is False
    await anna.post("/api/v1/account/totp/confirm", {"code": "12345"})
    assert anna.status == 401
    before = dict(anna.cookies)
    _, codes = await add_app(rig, anna)
    assert len(codes) == 10
    assert anna.cookies != before
    account = await anna.get("/api/v1/account")
    assert (account["totp"], account["recovery_codes_left"]) == (True, 10)
    assert (await anna.get("/api/v1/session"))["two_factors"]
    assert ("factor.add", "done") in [(what, outcome) for _, what, outcome in await audited(rig)]


async def test_recovery_codes_stand_in_once(rig: WebRig, anna: Browser) -> None:
    _, codes = await add_app(rig, anna)
    again = Browser(rig)
    await again.sign_in("anna", code=codes[0])
    assert again.status == 200
    assert (await again.get("/api/v1/account"))["recovery_codes_left"] == 9
    other = Browser(rig)
    await other.sign_in("anna", code=codes[0])
    assert other.status == 401
    fresh = (await anna.post("/api/v1/account/recovery-codes"))["recovery_codes"]
    assert len(fresh) == 10
    await other.sign_in("anna", code=codes[1])
    assert other.status == 401
    await other.sign_in("anna", code=fresh[1])
    assert other.status == 200


async def test_no_recovery_codes_without_a_factor(anna: Browser) -> None:
    answer = await anna.post("/api/v1/account/recovery-codes")
    assert (anna.status, answer["error"]) == (409, "conflict")


async def test_passkeys_come_and_go(rig: WebRig, anna: Browser) -> None:
    key = Authenticator()
    assert len(await add_passkey(anna, key, "the blue one")) == 10
    account = await anna.get("/api/v1/account")
    (passkey,) = account["passkeys"]
    assert passkey["label"] == "the blue one"
    await anna.delete("/api/v1/account/passkeys/unknown")
    assert anna.status == 404
    await anna.delete(f"/api/v1/account/passkeys/{passkey['id']}")
    assert anna.status == 204
    await Browser(rig).sign_in("anna")
    assert (await anna.get("/api/v1/account"))["passkeys"] == []
    kinds = [what for _, what, _ in await audited(rig)]
    assert kinds.count("factor.add") == 1
    assert kinds.count("factor.remove") == 1


async def test_a_passkey_proves_again(rig: WebRig, anna: Browser) -> None:
    key = Authenticator()
    await add_passkey(anna, key)
    ceremony = await anna.post("/api/v1/account/confirm/passkey")
    shown = json.loads(key.get(json.dumps(ceremony["options"])))
    await anna.post("/api/v1/account/confirm", {"passkey_ticket": ceremony["ticket"], "passkey": shown})
    assert anna.status == 200


async def test_a_session_from_before_must_show_the_factor_first(rig: WebRig, anna: Browser) -> None:
    old = Browser(rig)
    await old.sign_in("anna")
    await add_app(rig, anna)
    # Else who has an old session and the password would bring an app of his own.
    answer = await old.post("/api/v1/account/totp")
    assert (old.status, answer["error"]) == (409, "conflict")
    await old.delete("/api/v1/account/totp")
    assert old.status == 409


async def test_a_required_factor_is_set_up_at_login_and_the_last_stays(rig: WebRig) -> None:
    bert = await user(rig, "bert")
    staff = await rig.identity.accounts.create(Kind.GROUP, "staff")
    await rig.identity.groups.add(staff.id, bert.id)
    await rig.identity.accounts.require_factor(staff.id, True)
    browser = Browser(rig)
    answer = await browser.sign_in("bert")
    assert answer["session"]["standing"] == "enroll"
    assert (await browser.get("/api/v1/account"))["factor_required"]
    await browser.post("/api/v1/account/password", {"old": PASSWORD, "new": "vier Esel lesen Zeitung"})
    assert browser.status == 403
    await add_app(rig, browser)
    assert (await browser.get("/api/v1/session"))["standing"] == "full"
    answer = await browser.delete("/api/v1/account/totp")
    assert (browser.status, answer["error"]) == (409, "conflict")
    await add_passkey(browser, Authenticator())
    await browser.delete("/api/v1/account/totp")
    assert browser.status == 204


async def test_seeds_are_sealed_at_rest(rig: WebRig, anna: Browser) -> None:
    seed = (await anna.post("/api/v1/account/totp"))["seed"]
    raw = base64.b32decode(seed)
    async with rig.identity.engine.connect() as connection:
        kept = str((await connection.exec_driver_sql("SELECT * FROM auth_totp")).all())
    assert seed not in kept
    assert raw.hex() not in kept
