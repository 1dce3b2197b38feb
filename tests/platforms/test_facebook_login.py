"""Facebook Login: codes, exchanged tokens, Page tokens, devices, and what is left after somebody leaves."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qs, urlsplit

from ops.sandbox.app import Sandbox
from ops.sandbox.parties import FACEBOOK_CLIENT_TOKEN
from tests.platforms.facebook import APP, HARBOUR, REDIRECT, Facebook, code_of
from tests.rigs.sandbox import consent

DAY_S = 86_400


async def test_a_code_becomes_a_token_once(facebook: Facebook, sandbox: Sandbox) -> None:
    back = await consent(facebook.http, facebook.page())
    assert back.endswith("#_=_")
    query = parse_qs(urlsplit(back).query)
    assert query["state"] == ["a state"]
    code = query["code"][0]
    for changes, expected in (
        ({"client_secret": "wrong"}, (1, 0)),
        ({"client_id": "1"}, (101, 0)),
        ({"redirect_uri": REDIRECT + "/"}, (100, 36008)),
        ({"code_verifier": "w" * 43}, (100, 0)),
    ):
        status, body = await facebook.redeem(code, **changes)
        assert (status, code_of(body)) == (400, expected), changes
    status, token = await facebook.redeem(code)
    assert (status, token["token_type"], token["expires_in"] <= 7200) == (200, "bearer", True)
    status, body = await facebook.redeem(code)
    assert (code_of(body), body["error"]["type"]) == ((100, 36009), "OAuthException")
    assert body["error"]["fbtrace_id"]
    code = await facebook.code()
    sandbox.world.clock.advance(601)
    assert code_of((await facebook.redeem(code))[1]) == (100, 36007)


async def test_a_no_comes_back_too(facebook: Facebook) -> None:
    query = parse_qs(urlsplit(await consent(facebook.http, facebook.page(), decision="deny")).query)
    assert (query["error"], query["error_reason"]) == (["access_denied"], ["user_denied"])


async def test_tokens_are_exchanged_for_sixty_days_and_pages_tokens_last(
    facebook: Facebook, sandbox: Sandbox
) -> None:
    _, short = await facebook.redeem(await facebook.code())
    facebook.token = short["access_token"]
    passing = await facebook.page_token()
    _, long = await facebook.exchange(short["access_token"])
    assert 59 * DAY_S < long["expires_in"] <= 60 * DAY_S
    facebook.token = long["access_token"]
    lasting = await facebook.page_token()
    assert await facebook.page_token() == lasting != passing
    sandbox.world.clock.advance(61 * DAY_S)
    for token in (facebook.token, passing):
        status, body = await facebook.call("GET", "/me", access_token=token)
        assert (status, code_of(body)) == (400, (190, 463))
    assert code_of((await facebook.exchange(facebook.token))[1]) == (190, 463)
    assert await facebook.call("GET", "/me", access_token=lasting) == (
        200,
        {"id": HARBOUR, "name": "Harbour Radio"},
    )


async def test_who_leaves_takes_page_tokens_along(facebook: Facebook) -> None:
    await facebook.log_in()
    page = await facebook.page_token()
    _, granted = await facebook.call("GET", "/me/permissions")
    assert {"permission": "publish_video", "status": "granted"} in granted["data"]
    assert (await facebook.call("DELETE", "/me/permissions/publish_video"))[1] == {"success": True}
    status, body = await facebook.call("POST", "/me/live_videos")
    assert (status, code_of(body)) == (403, (200, 0))
    assert (await facebook.call("DELETE", "/me/permissions"))[1] == {"success": True}
    for token in (facebook.token, page):
        assert code_of((await facebook.call("GET", "/me", access_token=token))[1]) == (190, 458)
    _, told = await facebook.call("GET", "/debug_token", input_token=page)
    assert (told["data"]["type"], told["data"]["is_valid"]) == ("PAGE", False)


async def test_tokens_that_are_none(facebook: Facebook) -> None:
    assert code_of((await facebook.call("GET", "/me", access_token="nonsense"))[1]) == (190, 0)
    assert code_of((await facebook.call("GET", "/me", access_token=""))[1]) == (104, 0)
    await facebook.log_in()
    async with facebook.http.get(
        f"{facebook.base}/me", headers={"Authorization": f"Bearer {facebook.token}"}
    ) as answer:
        assert answer.status == 200
    proof = hmac.new(APP.secret.encode(), facebook.token.encode(), hashlib.sha256).hexdigest()
    assert (await facebook.call("GET", "/me", appsecret_proof=proof))[0] == 200
    assert code_of((await facebook.call("GET", "/me", appsecret_proof="0" * 64))[1]) == (100, 0)


async def test_a_device_polls_until_somebody_decides(facebook: Facebook, sandbox: Sandbox) -> None:
    app = f"{APP.id}|{FACEBOOK_CLIENT_TOKEN}"
    assert code_of((await facebook.call("POST", "/device/login", access_token=f"{APP.id}|x"))[1]) == (190, 0)
    _, device = await facebook.call("POST", "/device/login", access_token=app, scope="publish_video")
    poll = {"access_token": app, "code": device["code"]}
    assert code_of((await facebook.call("POST", "/device/login_status", **poll))[1]) == (31, 1349174)
    assert code_of((await facebook.call("POST", "/device/login_status", **poll))[1]) == (31, 1349172)
    page = f"{device['verification_uri']}?user_code={device['user_code']}"
    assert "Approved" in await consent(facebook.http, page)
    _, token = await facebook.call("POST", "/device/login_status", **poll)
    facebook.token = token["access_token"]
    assert (await facebook.call("GET", "/me"))[1]["name"] == "Harriet Berg"
    _, device = await facebook.call("POST", "/device/login", access_token=app)
    sandbox.world.clock.advance(421)
    poll = {"access_token": app, "code": device["code"]}
    assert code_of((await facebook.call("POST", "/device/login_status", **poll))[1]) == (31, 1349152)


async def test_long_lists_come_in_pages(facebook: Facebook) -> None:
    await facebook.log_in()
    _, first = await facebook.call("GET", "/me/accounts", fields="name", limit="1")
    assert ([page["name"] for page in first["data"]], "access_token" in str(first)) == (
        ["Harbour Radio"],
        False,
    )
    async with facebook.http.get(first["paging"]["next"] + f"&access_token={facebook.token}") as answer:
        rest = await answer.json()
    assert rest["data"][0]["name"] == "Harbour Kitchen"
    assert "next" not in rest["paging"]
    assert (await facebook.call("GET", "/me/accounts", limit="many"))[0] == 400
