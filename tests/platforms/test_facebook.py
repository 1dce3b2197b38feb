"""Facebook's rules: who may publish, what must be in a stream, and what ends a live video."""

from __future__ import annotations

import json

import pytest

from ops.sandbox.app import Sandbox
from ops.sandbox.reception import StreamKey
from tests.platforms.facebook import HARBOUR, Facebook, code_of

HOUR_S = 3600


@pytest.fixture
async def facebook(facebook: Facebook) -> Facebook:
    await facebook.log_in()
    return facebook


def key_of(sandbox: Sandbox, url: str) -> StreamKey:
    assert url.startswith(sandbox.addresses.rtmps + "/rtmp/FB-")
    key = sandbox.world.keys.find(*url.removeprefix(sandbox.addresses.rtmps).strip("/").split("/"))
    assert key is not None
    return key


def play(key: StreamKey, *, sound: bool = True) -> None:
    assert key.admit() == ""
    key.reception.begin(secure=True)
    key.reception.metadata = {"width": 1280.0, "height": 720.0}
    key.reception.picture(0, 40, codec="h264")
    if sound:
        key.reception.sound(0, 4, codec="aac")
    key.reception.picture(0, 5000, keyframe=True)


async def test_a_video_of_a_page_needs_the_pages_token(facebook: Facebook) -> None:
    status, body = await facebook.call("POST", f"/{HARBOUR}/live_videos")
    assert (status, code_of(body)) == (400, (210, 0))
    facebook.token = await facebook.page_token()
    made = await facebook.live_video(HARBOUR, title="Evening news")
    assert set(made) == {"id", "secure_stream_url", "secure_stream_secondary_urls"}
    assert made["secure_stream_secondary_urls"] == []
    _, shown = await facebook.call("GET", f"/{made['id']}", fields="title,from,status")
    assert shown["from"] == {"id": HARBOUR, "name": "Harbour Radio"}
    _, listed = await facebook.call("GET", f"/{HARBOUR}/live_videos", fields="id")
    assert [video["id"] for video in listed["data"]] == [made["id"]]


async def test_others_do_not_see_it(facebook: Facebook, sandbox: Sandbox) -> None:
    made = await facebook.live_video()
    facebook.token = await facebook.page_token()
    for token in (facebook.token, await Facebook(sandbox, facebook.http).log_in("122100000000000002")):
        status, body = await facebook.call("GET", f"/{made['id']}", access_token=token)
        assert (status, code_of(body), body["error"]["type"]) == (400, (100, 33), "GraphMethodException")


async def test_scopes_that_were_taken_back(facebook: Facebook) -> None:
    facebook.sandbox.facebook.tokens.grants.clear()
    await facebook.log_in(without=frozenset({"publish_video", "pages_manage_posts"}))
    assert code_of((await facebook.call("POST", "/me/live_videos"))[1]) == (200, 0)
    token = await facebook.page_token()
    status, body = await facebook.call("POST", f"/{HARBOUR}/live_videos", access_token=token)
    assert (status, "pages_manage_posts" in body["error"]["message"]) == (403, True)


async def test_an_account_that_is_too_new(facebook: Facebook) -> None:
    await facebook.log_in("122100000000000002")
    assert code_of((await facebook.call("POST", "/me/live_videos"))[1]) == (200, 1363144)


async def test_it_is_live_with_picture_and_sound_and_over_when_told(
    facebook: Facebook, sandbox: Sandbox
) -> None:
    made = await facebook.live_video(status="LIVE_NOW", privacy='{"value":"SELF"}')
    video, key = made["id"], key_of(sandbox, made["secure_stream_url"])
    assert key.secure_only
    assert await facebook.status(video) == "UNPUBLISHED"
    play(key, sound=False)
    assert await facebook.status(video) == "UNPUBLISHED"
    _, listed = await facebook.call("GET", f"/{video}/errors")
    assert "audio" in listed["data"][0]["error_message"]
    play(key)
    assert await facebook.status(video) == "LIVE"
    sandbox.facebook.watch(video, 17)
    fields = "live_views,seconds_left,ingest_streams{stream_health,is_master},broadcast_start_time"
    _, shown = await facebook.call("GET", f"/{video}", fields=fields)
    assert (shown["live_views"], 8 * HOUR_S - 60 < shown["seconds_left"] <= 8 * HOUR_S) == (17, True)
    health = shown["ingest_streams"][0]["stream_health"]
    assert (health["video_width"], health["video_height"]) == (1280, 720)
    status, body = await facebook.call("POST", f"/{video}", end_live_video="true")
    assert (status, body["id"]) == (200, video)
    assert await facebook.status(video) == "VOD"
    assert key.admit() != ""
    assert code_of((await facebook.call("POST", f"/{video}", end_live_video="true"))[1]) == (100, 0)


async def test_a_preview_waits_until_it_is_published(facebook: Facebook, sandbox: Sandbox) -> None:
    made = await facebook.live_video(status="UNPUBLISHED")
    play(key_of(sandbox, made["secure_stream_url"]))
    assert await facebook.status(made["id"]) == "UNPUBLISHED"
    assert (await facebook.call("POST", f"/{made['id']}", status="LIVE_NOW", title="Now"))[0] == 200
    assert await facebook.status(made["id"]) == "LIVE"


async def test_an_address_is_good_for_a_day_and_a_video_for_eight_hours(
    facebook: Facebook, sandbox: Sandbox
) -> None:
    unused, used = await facebook.live_video(), await facebook.live_video()
    key = key_of(sandbox, used["secure_stream_url"])
    play(key)
    assert await facebook.status(used["id"]) == "LIVE"
    sandbox.world.clock.advance(8 * HOUR_S - 60)
    _, shown = await facebook.call("GET", f"/{used['id']}", fields="status,seconds_left")
    assert (shown["status"], 0 < shown["seconds_left"] <= 60) == ("LIVE", True)
    cut = []
    key.reception.cut = lambda: cut.append(1)
    sandbox.world.clock.advance(60)
    assert await facebook.status(used["id"]) == "VOD"
    assert cut == [1]
    assert key_of(sandbox, unused["secure_stream_url"]).admit() == ""
    sandbox.world.clock.advance(16 * HOUR_S)
    assert "24 hours" in key_of(sandbox, unused["secure_stream_url"]).admit()


async def test_an_encoder_that_says_goodbye_ends_the_video_unless_asked_not_to(
    facebook: Facebook, sandbox: Sandbox
) -> None:
    plain = await facebook.live_video()
    kept = await facebook.live_video(stop_on_delete_stream="false")
    backed = await facebook.live_video(enable_backup_ingest="true")
    assert len(backed["secure_stream_secondary_urls"]) == 1
    for made in (plain, kept, backed):
        play(key_of(sandbox, made["secure_stream_url"]))
        assert await facebook.status(made["id"]) == "LIVE"
        key_of(sandbox, made["secure_stream_url"]).reception.end(said_goodbye=True)
    assert [await facebook.status(made["id"]) for made in (plain, kept, backed)] == ["VOD", "LIVE", "LIVE"]


async def test_one_that_is_cut_off_may_come_back_for_a_while(facebook: Facebook, sandbox: Sandbox) -> None:
    made = await facebook.live_video()
    key = key_of(sandbox, made["secure_stream_url"])
    play(key)
    await facebook.status(made["id"])
    key.reception.end()
    sandbox.world.clock.advance(299)
    assert await facebook.status(made["id"]) == "LIVE"
    play(key)
    key.reception.end()
    sandbox.world.clock.advance(301)
    assert await facebook.status(made["id"]) == "VOD"


async def test_a_schedule(facebook: Facebook, sandbox: Sandbox) -> None:
    now = int(sandbox.world.clock.now())

    def at(seconds: int) -> dict[str, str]:
        return {"status": "SCHEDULED_UNPUBLISHED", "event_params": json.dumps({"start_time": now + seconds})}

    for asked in (at(60), at(8 * 86_400), {"status": "SCHEDULED_UNPUBLISHED"}):
        assert (await facebook.call("POST", "/me/live_videos", **asked))[0] == 400
    first, second, third = [await facebook.live_video(**at(HOUR_S)) for _ in range(3)]
    assert await facebook.status(first["id"]) == "SCHEDULED_UNPUBLISHED"
    await facebook.call("POST", f"/{first['id']}", status="SCHEDULED_LIVE")
    await facebook.call("POST", f"/{second['id']}", status="SCHEDULED_CANCELED")
    play(key_of(sandbox, first["secure_stream_url"]))
    assert await facebook.status(first["id"]) == "SCHEDULED_LIVE"
    sandbox.world.clock.advance(HOUR_S + 1)
    assert await facebook.status(first["id"]) == "LIVE"
    assert await facebook.status(second["id"]) == "SCHEDULED_CANCELED"
    sandbox.world.clock.advance(600)
    assert await facebook.status(third["id"]) == "SCHEDULED_EXPIRED"


@pytest.mark.parametrize(
    "asked",
    [
        {"status": "LIVE"},
        {"title": "x" * 256},
        {"privacy": "everyone"},
        {"enable_backup_ingest": "perhaps"},
        {"fields": "id,viewers"},
        {"fields": "id,ingest_streams{"},
    ],
)
async def test_parameters_are_looked_at(facebook: Facebook, asked: dict[str, str]) -> None:
    status, body = await facebook.call("POST", "/me/live_videos", **asked)
    assert (status, code_of(body)) == (400, (100, 0))


async def test_deleting_closes_the_address(facebook: Facebook, sandbox: Sandbox) -> None:
    made = await facebook.live_video()
    key = key_of(sandbox, made["secure_stream_url"])
    assert (await facebook.call("DELETE", f"/{made['id']}"))[1] == {"success": True}
    assert sandbox.world.keys.find(key.app, key.name) is None
    assert (await facebook.call("GET", f"/{made['id']}"))[0] == 400
