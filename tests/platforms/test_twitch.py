"""Twitch: refresh tokens that rotate, validation, the key, title and category, and when a channel is live."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from ops.sandbox.app import Sandbox
from ops.sandbox.twitch.oauth import MANAGE, READ_KEY
from tests.platforms.twitch import APP, HARBOUR, REDIRECT, Twitch
from tests.rigs.sandbox import consent

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


async def test_codes_work_once_and_for_their_app(twitch: Twitch) -> None:
    back = await consent(twitch.http, twitch.page())
    query = parse_qs(urlsplit(back).query)
    assert query["state"] == ["a state"]
    code = query["code"][0]
    for changes, expected in (
        ({"client_secret": "wrong"}, (403, "invalid client secret")),
        ({"client_id": "nobody"}, (400, "invalid client")),
        ({"redirect_uri": REDIRECT + "/"}, (400, "Parameter redirect_uri does not match registered URI")),
        ({"grant_type": "password"}, (400, "invalid grant type")),
    ):
        status, body = await twitch.redeem(code, **changes)
        assert (status, body["message"]) == expected, changes
    status, tokens = await twitch.redeem(code)
    assert (status, tokens["scope"], tokens["token_type"]) == (200, sorted({READ_KEY, MANAGE}), "bearer")
    assert (await twitch.redeem(code))[1] == {"status": 400, "message": "Invalid authorization code"}


async def test_a_no_comes_back_too(twitch: Twitch) -> None:
    query = parse_qs(urlsplit(await consent(twitch.http, twitch.page(), decision="deny")).query)
    assert query["error"] == ["access_denied"]
    async with twitch.http.get(twitch.page(redirect_uri="https://elsewhere.example/")) as answer:
        assert answer.status == 400


async def test_refresh_tokens_rotate_and_validation_knows(twitch: Twitch, sandbox: Sandbox) -> None:
    first = await twitch.log_in()

    async def validate() -> tuple[int, dict[str, object]]:
        headers = {"Authorization": f"OAuth {twitch.token}"}
        async with twitch.http.get(f"{twitch.base}/oauth2/validate", headers=headers) as answer:
            return answer.status, await answer.json()

    status, told = await validate()
    assert (status, told["login"], told["user_id"]) == (200, "harbourradio", HARBOUR)
    assert told["scopes"] == sorted({READ_KEY, MANAGE})
    sandbox.world.clock.advance(14_401)
    assert await validate() == (401, {"status": 401, "message": "invalid access token"})
    _, second = await twitch.refresh(first["refresh_token"])
    assert second["refresh_token"] != first["refresh_token"]
    status, body = await twitch.refresh(first["refresh_token"])
    assert (status, body["message"]) == (400, "Invalid refresh token")
    twitch.token = second["access_token"]
    assert (await validate())[0] == 200
    assert (await twitch.ask("/revoke", client_id="nobody", token=twitch.token))[0] == 404
    assert (await twitch.ask("/revoke", client_id=APP.id, token=twitch.token))[0] == 200
    assert (await validate())[0] == 401
    assert (await twitch.refresh(second["refresh_token"]))[0] == 400
    assert (await twitch.ask("/revoke", client_id=APP.id, token=twitch.token))[1][
        "message"
    ] == "Invalid token"


async def test_a_device(twitch: Twitch, sandbox: Sandbox) -> None:
    _, device = await twitch.ask("/device", client_id=APP.id, scopes=READ_KEY)
    form = {"client_id": APP.id, "device_code": device["device_code"], "grant_type": DEVICE}
    assert (await twitch.ask("/token", **form))[1] == {"status": 400, "message": "authorization_pending"}
    assert "Approved" in await consent(twitch.http, device["verification_uri"])
    _, tokens = await twitch.ask("/token", **form)
    assert tokens["scope"] == [READ_KEY]
    assert (await twitch.ask("/token", **form))[1]["message"] == "invalid device code"


async def test_the_key_is_for_its_owner_with_the_scope(twitch: Twitch, sandbox: Sandbox) -> None:
    await twitch.log_in()
    status, body = await twitch.call("GET", "/streams/key", broadcaster_id=HARBOUR)
    key = body["data"][0]["stream_key"]
    assert (status, key.startswith(f"live_{HARBOUR}_")) == (200, True)
    assert (await twitch.call("GET", "/streams/key", broadcaster_id="901000002"))[0] == 403
    assert (await twitch.call("GET", "/streams/key"))[0] == 400
    status, body = await twitch.call("GET", "/streams/key", client_id="another", broadcaster_id=HARBOUR)
    assert (status, body["message"]) == (401, "Client ID and OAuth token do not match")
    async with twitch.http.get(f"{twitch.base}/ingests") as answer:
        ingest = (await answer.json())["ingests"][0]
    assert ingest["url_template"].format(stream_key=key) == f"{sandbox.addresses.rtmp}/app/{key}"
    sandbox.twitch.tokens.grants.clear()
    await twitch.log_in(without=frozenset({READ_KEY}))
    status, body = await twitch.call("GET", "/streams/key", broadcaster_id=HARBOUR)
    assert (status, body["message"]) == (401, f"Missing scope: {READ_KEY}")


async def test_title_and_category(twitch: Twitch) -> None:
    await twitch.log_in()
    _, found = await twitch.call("GET", "/search/categories", query="just chat")
    game = found["data"][0]
    assert (game["name"], set(game)) == ("Just Chatting", {"id", "name", "box_art_url"})
    _, exact = await twitch.call("GET", "/games", name="Just Chatting")
    assert exact["data"][0]["id"] == game["id"]
    body = {"title": "Evening news", "game_id": game["id"]}
    assert await twitch.call("PATCH", "/channels", body, broadcaster_id=HARBOUR) == (204, {})
    _, shown = await twitch.call("GET", "/channels", broadcaster_id=HARBOUR)
    assert (shown["data"][0]["title"], shown["data"][0]["game_name"]) == ("Evening news", "Just Chatting")
    for wrong in ({}, {"title": ""}, {"title": "x" * 141}, {"game_id": "nonsense"}, {"tags": ["x"] * 11}):
        assert (await twitch.call("PATCH", "/channels", wrong, broadcaster_id=HARBOUR))[0] == 400, wrong
    assert (await twitch.call("PATCH", "/channels", body, broadcaster_id="901000002"))[0] == 401


async def test_a_channel_is_live_while_a_picture_comes(twitch: Twitch, sandbox: Sandbox) -> None:
    await twitch.log_in()
    reception = sandbox.twitch.channels.by_id[HARBOUR].key.reception

    async def live() -> list[dict[str, object]]:
        entries: list[dict[str, object]] = (await twitch.call("GET", "/streams", user_id=HARBOUR))[1]["data"]
        return entries

    assert await live() == []
    reception.begin(secure=False)
    reception.picture(0, 40, codec="h264")
    assert await live() == []
    reception.picture(0, 5000, keyframe=True)
    sandbox.twitch.watch("", 5)
    first = (await live())[0]
    assert (first["type"], first["viewer_count"], first["user_login"]) == ("live", 5, "harbourradio")
    reception.end()  # cut off: Twitch waits for it
    sandbox.world.clock.advance(89)
    assert (await live())[0]["id"] == first["id"]
    sandbox.world.clock.advance(2)
    assert await live() == []
    reception.begin(secure=False)
    reception.picture(0, 40, codec="h264")
    reception.picture(0, 5000, keyframe=True)
    assert (await live())[0]["id"] != first["id"]
    reception.end(said_goodbye=True)
    assert await live() == []


async def test_helix_counts_points_and_says_how_many_are_left(twitch: Twitch, sandbox: Sandbox) -> None:
    await twitch.log_in()
    sandbox.twitch.bucket.points = 2
    headers = {"Authorization": f"Bearer {twitch.token}", "Client-Id": APP.id}

    async def users() -> tuple[int, str, float]:
        async with twitch.http.get(f"{twitch.base}/helix/users", headers=headers) as answer:
            reset = float(answer.headers["Ratelimit-Reset"]) - sandbox.world.clock.now()
            return answer.status, answer.headers["Ratelimit-Remaining"], reset

    assert (await users())[:2] == (200, "1")
    assert (await users())[:2] == (200, "0")
    status, left, reset = await users()
    assert (status, left, 55 < reset <= 61) == (429, "0", True)
    sandbox.world.clock.advance(reset)
    assert (await users())[:2] == (200, "1")
