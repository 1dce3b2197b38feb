"""Google's OAuth as its documents tell it: what is single-use, exact, checked, and how it says no."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import aiohttp

from ops.sandbox.app import Sandbox
from ops.sandbox.youtube.oauth import FORCE_SSL, MANAGE, READ, UPLOAD
from tests.platforms.google import REDIRECT, TV, WEB, Google, reason
from tests.rigs.sandbox import consent, sandbox

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


async def test_a_code_comes_back_with_the_state_and_works_once(google: Google) -> None:
    back = await consent(google.http, google.page())
    assert back.startswith(REDIRECT + "?")
    query = parse_qs(urlsplit(back).query)
    assert query["state"] == ["a state"]
    status, tokens = await google.redeem(query["code"][0])
    assert (status, tokens["token_type"], tokens["scope"]) == (200, "Bearer", MANAGE)
    assert 3500 < tokens["expires_in"] <= 3599
    assert tokens["refresh_token"]
    # A code that comes twice takes with it what was issued for it.
    assert await google.redeem(query["code"][0]) == (
        400,
        {"error": "invalid_grant", "error_description": "Bad Request"},
    )
    google.token = tokens["access_token"]
    status, body = await google.call("GET", "/channels", part="id", mine="true")
    assert (status, reason(body), body["error"]["status"]) == (401, "authError", "UNAUTHENTICATED")


async def test_a_no_comes_back_too(google: Google) -> None:
    back = await consent(google.http, google.page(), decision="deny")
    assert parse_qs(urlsplit(back).query) == {"error": ["access_denied"], "state": ["a state"]}


async def test_a_code_is_for_one_app_one_address_one_verifier(google: Google) -> None:
    code = await google.code()
    for changes, status, error in (
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": TV.id, "client_secret": TV.secret}, 400, "invalid_grant"),
        ({"redirect_uri": REDIRECT + "/"}, 400, "redirect_uri_mismatch"),
        ({"code_verifier": "w" * 43}, 400, "invalid_grant"),
        ({"code_verifier": ""}, 400, "invalid_grant"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ):
        got, body = await google.redeem(code, **changes)
        assert (got, body["error"]) == (status, error), changes
    assert (await google.redeem(code))[0] == 200


async def test_a_code_ages(google: Google, sandbox: Sandbox) -> None:
    code = await google.code()
    sandbox.world.clock.advance(601)
    assert (await google.redeem(code))[1]["error"] == "invalid_grant"


async def test_requests_that_google_shows_a_page_about(google: Google, sandbox: Sandbox) -> None:
    for changes, words in (
        ({"client_id": "nobody"}, "invalid_client"),
        ({"redirect_uri": "https://elsewhere.example/cb"}, "redirect_uri_mismatch"),
        ({"response_type": "token"}, "invalid_request"),
        ({"scope": "https://www.googleapis.com/auth/everything"}, "invalid_scope"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
    ):
        async with google.http.get(google.page(**changes), allow_redirects=False) as answer:
            assert (answer.status, words in await answer.text()) == (400, True), changes
    await google.http.post(
        f"{sandbox.addresses.http}/control/clients",
        json={"platform": "youtube", "id": WEB.id, "redirect_uris": ["https://live.example/cb"]},
    )
    async with google.http.get(google.page()) as answer:
        assert answer.status == 400
    async with google.http.get(google.page(redirect_uri="https://live.example/cb")) as answer:
        assert answer.status == 200


async def test_refresh_tokens_are_given_with_the_first_consent_or_a_new_one(google: Google) -> None:
    assert "refresh_token" not in await google.log_in(access_type="")
    assert "refresh_token" in await google.log_in(prompt="")
    assert "refresh_token" not in await google.log_in(prompt="")
    assert "refresh_token" in await google.log_in(prompt="consent")


async def test_refreshing_until_it_is_revoked(google: Google, sandbox: Sandbox) -> None:
    tokens = await google.log_in()
    sandbox.world.clock.advance(3600)
    assert (await google.call("GET", "/channels", part="id", mine="true"))[0] == 401
    status, fresh = await google.refresh(tokens["refresh_token"])
    assert (status, "refresh_token" in fresh) == (200, False)
    google.token = fresh["access_token"]
    assert (await google.call("GET", "/channels", part="id", mine="true"))[0] == 200
    assert (await google.refresh(tokens["refresh_token"], client_id=TV.id, client_secret=TV.secret))[0] == 400
    assert await google.ask("/revoke", token=fresh["access_token"]) == (200, {})
    assert (await google.ask("/revoke", token=fresh["access_token"]))[1]["error"] == "invalid_token"
    assert await google.refresh(tokens["refresh_token"]) == (
        400,
        {"error": "invalid_grant", "error_description": "Token has been expired or revoked."},
    )


async def test_rotating_and_short_lived_refresh_tokens(http: aiohttp.ClientSession) -> None:
    async with sandbox(rotates=True, testing=True) as running:
        google = Google(running, http)
        tokens = await google.log_in()
        assert tokens["refresh_token_expires_in"] <= 7 * 86_400
        _, fresh = await google.refresh(tokens["refresh_token"])
        assert fresh["refresh_token"] != tokens["refresh_token"]
        assert (await google.refresh(tokens["refresh_token"]))[1]["error"] == "invalid_grant"
        running.world.clock.advance(7 * 86_400)
        assert (await google.refresh(fresh["refresh_token"]))[1]["error"] == "invalid_grant"


async def test_a_device_polls_until_somebody_decides(google: Google, sandbox: Sandbox) -> None:
    status, device = await google.ask("/device/code", client_id=TV.id, scope=MANAGE)
    assert (status, device["interval"], device["expires_in"]) == (200, 5, 1800)
    form = {"grant_type": DEVICE, "device_code": device["device_code"], "client_id": TV.id}
    form["client_secret"] = TV.secret
    assert (await google.ask("/token", **form))[0] == 428
    assert (await google.ask("/token", **form))[1]["error"] == "slow_down"
    sandbox.world.clock.advance(11)
    assert (await google.ask("/token", **form))[1]["error"] == "authorization_pending"
    page = f"{device['verification_url']}?user_code={device['user_code'].lower()}"
    assert "Approved" in await consent(google.http, page)
    status, tokens = await google.ask("/token", **form)
    assert (status, bool(tokens["refresh_token"])) == (200, True)
    assert (await google.ask("/token", **form))[1]["error"] == "invalid_grant"


async def test_a_device_that_is_told_no_or_comes_too_late(google: Google, sandbox: Sandbox) -> None:
    async def begin() -> tuple[dict[str, str], str]:
        _, device = await google.ask("/device/code", client_id=TV.id, scope=READ)
        form = {"grant_type": DEVICE, "device_code": device["device_code"], "client_id": TV.id}
        return form | {
            "client_secret": TV.secret
        }, f"{device['verification_url']}?user_code={device['user_code']}"

    form, page = await begin()
    assert "Denied" in await consent(google.http, page, decision="deny")
    assert (await google.ask("/token", **form))[1]["error"] == "access_denied"
    form, _ = await begin()
    sandbox.world.clock.advance(1801)
    assert (await google.ask("/token", **form))[1]["error"] == "expired_token"


async def test_devices_need_their_own_kind_of_app_and_may_ask_for_little(google: Google) -> None:
    status, body = await google.ask("/device/code", client_id=WEB.id, scope=MANAGE)
    assert (status, body["error"]) == (401, "invalid_client")
    for scope in (FORCE_SSL, UPLOAD):
        assert (await google.ask("/device/code", client_id=TV.id, scope=scope))[1]["error"] == "invalid_scope"


async def test_scopes_that_were_taken_back_are_missing(google: Google) -> None:
    await google.log_in()  # what was granted before does not count for a new token
    both = f"{MANAGE} {READ}"
    back = await consent(google.http, google.page(scope=both), without=frozenset({MANAGE}))
    query = parse_qs(urlsplit(back).query)
    assert query["scope"] == [READ]
    _, tokens = await google.redeem(query["code"][0])
    google.token = tokens["access_token"]
    assert (await google.call("GET", "/channels", part="id", mine="true"))[0] == 200
    status, body = await google.call("POST", "/liveBroadcasts", {}, part="snippet")
    assert (status, reason(body)) == (403, "insufficientPermissions")
    assert body["error"]["details"][0]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
