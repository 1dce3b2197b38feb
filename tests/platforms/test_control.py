"""The control face: faults of every kind, the log of calls, and who may use it."""

from __future__ import annotations

import aiohttp
import pytest

from ops.sandbox.app import Sandbox
from tests.platforms.facebook import Facebook, code_of
from tests.platforms.google import Google, reason
from tests.platforms.twitch import Twitch


async def tell(sandbox: Sandbox, http: aiohttp.ClientSession, path: str, **order: object) -> object:
    async with http.post(f"{sandbox.addresses.http}/control{path}", json=order) as answer:
        assert answer.status < 300, await answer.text()
        return await answer.json() if answer.status != 204 else None


async def test_errors_in_each_platforms_form(
    google: Google, facebook: Facebook, twitch: Twitch, sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    await google.log_in()
    await facebook.log_in()
    await twitch.log_in()
    for order in (
        {"platform": "youtube", "operation": "liveBroadcasts.*", "status": 403, "count": 2}
        | {"reason": "userRequestsExceedRateLimit"},
        {"platform": "youtube", "operation": "liveStreams.list", "status": 503},
        {"platform": "facebook", "operation": "node.get", "status": 400, "reason": "190/460"},
        {"platform": "twitch", "operation": "users.list", "status": 500, "message": "internal error"},
    ):
        await tell(sandbox, http, "/faults", kind="error", **order)
    for expected in (403, 403, 200):
        status, body = await google.call("GET", "/liveBroadcasts", part="id", mine="true")
        assert status == expected
        assert status == 200 or reason(body) == "userRequestsExceedRateLimit"
    status, body = await google.call("GET", "/liveStreams", part="id", mine="true")
    assert (status, reason(body), body["error"]["status"]) == (503, "backendError", "UNAVAILABLE")
    status, body = await facebook.call("GET", "/me")
    assert (status, code_of(body)) == (400, (190, 460))
    assert (await twitch.call("GET", "/users"))[1]["message"] == "internal error"
    assert sandbox.world.faults.active == []


async def test_time_outs_and_answers_that_break_off(
    google: Google, sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    await google.log_in()
    kinds = ("timeout", "drop", "cut", "garbage", "lost")
    for kind in kinds:
        order = {"operation": "liveStreams.*", "kind": kind, "seconds": 0.05}
        await tell(sandbox, http, "/faults", platform="youtube", **order)
        with pytest.raises(aiohttp.ClientError):
            # Not a GET: aiohttp would ask a second time by itself.
            await google.call("POST", "/liveStreams", {}, part="id")
    calls = sandbox.world.calls.matching("youtube", "liveStreams.insert")
    assert [call.fault for call in calls] == list(kinds)
    # The call itself was carried out where the answer alone was lost.
    assert [call.units for call in calls] == [0, 0, 50, 50, 50]
    await tell(sandbox, http, "/faults", platform="youtube", kind="slow", seconds=0.05)
    assert reason((await google.call("POST", "/liveStreams", {}, part="id"))[1]) == "cdnRequired"


async def test_what_users_do_in_their_settings(
    google: Google, facebook: Facebook, sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    tokens = await google.log_in()
    assert await tell(sandbox, http, "/tokens/expire", platform="youtube") == {"expired": 1}
    assert (await google.call("GET", "/channels", part="id", mine="true"))[0] == 401
    assert (await google.refresh(tokens["refresh_token"]))[0] == 200
    assert await tell(sandbox, http, "/tokens/expire", platform="youtube", use="refresh") == {"expired": 1}
    assert (await google.refresh(tokens["refresh_token"]))[1]["error"] == "invalid_grant"
    await facebook.log_in()
    await tell(sandbox, http, "/tokens/revoke", platform="facebook", scopes=["publish_video"])
    assert code_of((await facebook.call("POST", "/me/live_videos"))[1]) == (200, 0)
    assert await tell(sandbox, http, "/tokens/revoke", platform="facebook") == {"revoked": 1}
    assert code_of((await facebook.call("GET", "/me"))[1]) == (190, 458)


async def test_a_look_behind_the_scenes(
    google: Google, sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    tokens = await google.log_in()
    broadcast, key = await google.bound()
    await tell(sandbox, http, "/viewers", platform="youtube", id=broadcast, viewers=7)
    await tell(sandbox, http, "/quota", daily_units=5000)
    await tell(sandbox, http, "/clock", seconds=60)
    async with http.get(f"{sandbox.addresses.http}/control") as answer:
        seen = await answer.json()
    assert (seen["ahead_s"], seen["quota"]["daily_units"]) == (60, 5000)
    programme = next(p for p in seen["programmes"] if p["id"] == broadcast)
    assert (programme["viewers"], programme["key"], programme["status"]) == (7, key, "ready")
    async with http.get(f"{sandbox.addresses.http}/control/calls?platform=youtube") as answer:
        text = await answer.text()
    assert "liveBroadcasts.bind" in text
    assert tokens["access_token"] not in text
    await http.delete(f"{sandbox.addresses.http}/control/calls")
    assert sandbox.world.calls.matching() == []


async def test_orders_that_make_no_sense(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    base = f"{sandbox.addresses.http}/control"
    for path, order, expected in (
        ("/faults", {"platform": "myspace", "kind": "error"}, "platform"),
        ("/faults", {"platform": "youtube", "kind": "error", "statsu": 500}, "statsu"),
        ("/clock", {"seconds": -1}, "seconds"),
        ("/tokens/expire", {"platform": "custom"}, "has no face"),
    ):
        async with http.post(base + path, json=order) as answer:
            assert (answer.status, expected in await answer.text()) == (400, True), order
    async with http.post(f"{base}/viewers", json={"platform": "youtube", "id": "x", "viewers": 1}) as answer:
        assert answer.status == 404


async def test_pages_in_a_browser_have_no_control(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    for headers in ({"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
        async with http.get(f"{sandbox.addresses.http}/control", headers=headers) as answer:
            assert answer.status == 403


async def test_the_first_page_shows_what_is_live_without_keys(
    google: Google, sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    await google.log_in()
    _, key = await google.bound(enableAutoStart=True)
    stream = sandbox.world.keys.find("live2", key)
    assert stream is not None
    stream.reception.begin(secure=True)
    stream.reception.picture(0, 40, codec="h264")
    stream.reception.picture(0, 5000, keyframe=True)
    async with http.get(sandbox.addresses.http) as answer:
        page = await answer.text()
    for text in ("Evening news", "<td>live</td>", "<td>active, TLS</td>", "<td>h264</td>"):
        assert text in page
    assert key not in page
