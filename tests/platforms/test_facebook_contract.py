"""Facebook's own client talks to the graph here; its fields and values are the ones that are offered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from facebook_business.adobjects.livevideo import LiveVideo
from facebook_business.adobjects.livevideoerror import LiveVideoError
from facebook_business.adobjects.livevideoinputstream import LiveVideoInputStream
from facebook_business.adobjects.page import Page
from facebook_business.api import FacebookAdsApi
from facebook_business.exceptions import FacebookRequestError
from facebook_business.session import FacebookSession

from ops.sandbox.app import Sandbox
from ops.sandbox.facebook import live_video
from ops.sandbox.facebook.drafts import STATUSES
from ops.sandbox.facebook.nodes import ingest_stream_node, live_video_node
from tests.platforms.encoder import encoder, until_active
from tests.platforms.facebook import APP, HARBOUR, Facebook


def names(holder: type) -> set[str]:
    return {value for name, value in vars(holder).items() if not name.startswith("_")}


@pytest.fixture
async def api(facebook: Facebook) -> AsyncIterator[FacebookAdsApi]:
    """Facebook's client with a Page's token, whose requests carry the app's proof."""
    await facebook.log_in()
    facebook.token = await facebook.page_token()
    session = FacebookSession(APP.id, APP.secret, facebook.token)
    session.GRAPH = facebook.base.rpartition("/")[0]
    yield FacebookAdsApi(session)
    session.requests.close()


async def test_going_live_with_facebooks_client(api: FacebookAdsApi, sandbox: Sandbox, tmp_path: Any) -> None:
    page = Page(HARBOUR, api=api)
    asked = {"status": LiveVideo.Status.live_now, "title": "Evening news", "stop_on_delete_stream": True}
    made = await asyncio.to_thread(page.create_live_video, params=asked, fields=["secure_stream_url"])
    video = LiveVideo(made["id"], api=api)
    key = sandbox.world.keys.find("rtmp", made["secure_stream_url"].rpartition("/")[2])
    assert key is not None
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(sandbox.authority.pem)
    async with encoder(made["secure_stream_url"], ca_file=ca_file) as process:
        await until_active(key.reception, process)
        wanted = sorted(names(LiveVideo.Field) & OFFERED)
        shown = await asyncio.to_thread(video.api_get, fields=wanted)
        assert shown["status"] == LiveVideo.BroadcastStatus.live
        streams = shown["ingest_streams"]
        assert set(streams[0]) <= names(LiveVideoInputStream.Field)
        assert streams[0]["stream_health"]["video_width"] == 160
        with pytest.raises(FacebookRequestError) as caught:
            await asyncio.to_thread(video.api_update, params={"status": LiveVideo.Status.scheduled_live})
        assert caught.value.api_error_code() == 100
        await asyncio.to_thread(video.api_update, params={"end_live_video": True})
    assert await asyncio.to_thread(lambda: list(video.get_errors())) == []
    assert key.reception.secure
    await asyncio.to_thread(video.api_delete)
    with pytest.raises(FacebookRequestError) as caught:
        await asyncio.to_thread(video.api_get, fields=["status"])
    assert (caught.value.api_error_code(), caught.value.api_error_subcode()) == (100, 33)


OFFERED = {
    "broadcast_start_time",
    "creation_time",
    "dash_ingest_url",
    "dash_preview_url",
    "description",
    "from",
    "id",
    "ingest_streams",
    "is_manual_mode",
    "is_reference_only",
    "live_views",
    "permalink_url",
    "planned_start_time",
    "seconds_left",
    "secure_stream_url",
    "status",
    "stream_url",
    "title",
    "total_views",
    "video",
}


async def test_fields_are_facebooks(facebook: Facebook, sandbox: Sandbox) -> None:
    await facebook.log_in()
    made = await facebook.live_video()
    video = sandbox.facebook.videos[made["id"]]
    owner, now = sandbox.world.register.accounts_of(sandbox.facebook.platform)[0], sandbox.world.clock.now()
    node = live_video_node(video, owner, sandbox.addresses, now)
    assert set(node) == OFFERED < names(LiveVideo.Field)
    assert set(ingest_stream_node(video, 0, sandbox.addresses)) == names(LiveVideoInputStream.Field)
    video.report(now, "KIND", 1, "text")
    _, listed = await facebook.call("GET", f"/{video.id}/errors")
    assert set(listed["data"][0]) == names(LiveVideoError.Field)
    described = LiveVideo._field_types
    kinds = {"string": str, "bool": bool, "int": int, "unsigned int": int, "datetime": str}
    for name, value in node.items():
        if value is not None and (kind := kinds.get(described[name])) is not None:
            assert isinstance(value, kind), name


def test_values_are_facebooks() -> None:
    assert {status.value for status in live_video.Status} == names(LiveVideo.BroadcastStatus)
    assert set(STATUSES) == names(LiveVideo.Status)
