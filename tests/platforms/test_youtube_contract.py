"""Google's own client goes live here as it would at YouTube, and its own schemas describe the answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from importlib.resources import files
from typing import Any

import pytest
import requests
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import Resource, build_from_document
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaInMemoryUpload

from ops.sandbox.app import Sandbox
from ops.sandbox.youtube.broadcast import LifeCycle
from ops.sandbox.youtube.drafts import FRAME_RATES, INGESTION_TYPES, LATENCIES, PRIVACIES, RESOLUTIONS
from ops.sandbox.youtube.requests import LIST, PICTURES, WRITE
from tests.platforms.discovery import departures
from tests.platforms.encoder import encoder
from tests.platforms.google import PARTS, SNIPPET, WEB, Google

DOCUMENT: dict[str, Any] = json.loads(
    files("googleapiclient.discovery_cache").joinpath("documents/youtube.v3.json").read_text()
)
JPEG = b"\xff\xd8\xff\xe0" + bytes(2000)


def enum(schema: str, name: str) -> set[str]:
    return set(DOCUMENT["schemas"][schema]["properties"][name]["enum"])


class Client:
    """The real client on another thread; every answer is held against its schema."""

    def __init__(self, sandbox: Sandbox, credentials: Credentials) -> None:
        # For uploads the client takes no more than the host of another endpoint; the document says it all.
        self.credentials = credentials
        document = DOCUMENT | {"rootUrl": f"{sandbox.addresses.http}/youtube/"}
        self._service: Resource = build_from_document(document, credentials=credentials)

    def close(self) -> None:
        self._service.close()

    async def __call__(self, resource: str, method: str, **arguments: Any) -> Any:
        def call() -> Any:
            collection: Resource = getattr(self._service, resource)()
            execute: Callable[[], Any] = getattr(collection, method)(**arguments).execute
            return execute()

        answer = await asyncio.to_thread(call)
        described = DOCUMENT["resources"][resource]["methods"][method].get("response")
        if described is not None:
            assert departures(DOCUMENT, described["$ref"], answer) == []
        return answer


@asynccontextmanager
async def refused(reason: str, status: int) -> AsyncIterator[None]:
    with pytest.raises(HttpError) as caught:
        yield
    detail = caught.value.error_details[0]
    assert (caught.value.resp.status, detail["reason"]) == (status, reason)


async def credentials(google: Google) -> Credentials:
    tokens = await google.log_in()
    return Credentials(
        tokens["access_token"],
        refresh_token=tokens["refresh_token"],
        token_uri=f"{google.base}/token",
        client_id=WEB.id,
        client_secret=WEB.secret,
    )


@pytest.fixture
async def client(google: Google, sandbox: Sandbox) -> AsyncIterator[Client]:
    with closing(Client(sandbox, await credentials(google))) as made:
        yield made


async def test_going_live_with_googles_client(client: Client, google: Google, sandbox: Sandbox) -> None:
    details = {"enableAutoStart": False, "enableAutoStop": True, "enableDvr": True}
    body = {"snippet": SNIPPET, "status": {"privacyStatus": "unlisted"}, "contentDetails": details}
    broadcast = (await client("liveBroadcasts", "insert", part=PARTS, body=body))["id"]
    cdn = {"ingestionType": "rtmp", "resolution": "variable", "frameRate": "variable"}
    stream = await client(
        "liveStreams",
        "insert",
        part="snippet,cdn,contentDetails,status",
        body={"snippet": {"title": "Studio"}, "cdn": cdn, "contentDetails": {"isReusable": True}},
    )
    assert stream["status"]["streamStatus"] == "ready"
    await client("liveBroadcasts", "bind", id=broadcast, streamId=stream["id"], part=PARTS)

    async with refused("errorStreamInactive", 403):
        await client("liveBroadcasts", "transition", id=broadcast, broadcastStatus="testing", part="status")

    info = stream["cdn"]["ingestionInfo"]
    async with encoder(f"{info['ingestionAddress']}/{info['streamName']}"):
        while True:
            listed = await client("liveStreams", "list", id=stream["id"], part="id,snippet,cdn,status")
            if listed["items"][0]["status"]["streamStatus"] == "active":
                break
            await asyncio.sleep(0.05)
        assert listed["items"][0]["status"]["healthStatus"]["status"] == "good"
        for status in ("testing", "live"):
            made = await client(
                "liveBroadcasts", "transition", id=broadcast, broadcastStatus=status, part=PARTS
            )
            assert made["status"]["lifeCycleStatus"] == status
        sandbox.youtube.watch(broadcast, 42)
        everything = "id,snippet,status,contentDetails,statistics,monetizationDetails"
        live = await client("liveBroadcasts", "list", broadcastStatus="active", part=everything)
        assert live["items"][0]["statistics"] == {"concurrentViewers": "42"}
        video = await client("videos", "list", id=broadcast, part="snippet,liveStreamingDetails")
        assert video["items"][0]["liveStreamingDetails"]["concurrentViewers"] == "42"
        picture = MediaInMemoryUpload(JPEG, "image/jpeg")
        await client("thumbnails", "set", videoId=broadcast, media_body=picture)
        resumable = MediaInMemoryUpload(JPEG + b"!", "image/jpeg", resumable=True)
        set_again = await client("thumbnails", "set", videoId=broadcast, media_body=resumable)
        url = set_again["items"][0]["default"]["url"]
        async with google.http.get(url) as shown:
            assert await shown.read() == JPEG + b"!"

    body = {"id": broadcast, "snippet": SNIPPET | {"title": "Late news"}}
    await client("liveBroadcasts", "update", part="snippet", body=body)
    ended = await client("liveBroadcasts", "transition", id=broadcast, broadcastStatus="complete", part=PARTS)
    assert (ended["status"]["lifeCycleStatus"], ended["snippet"]["title"]) == ("complete", "Late news")
    async with refused("redundantTransition", 403):
        await client("liveBroadcasts", "transition", id=broadcast, broadcastStatus="complete", part="status")
    await client("liveStreams", "delete", id=stream["id"])
    await client("liveBroadcasts", "delete", id=broadcast)
    async with refused("liveBroadcastNotFound", 404):
        await client("liveBroadcasts", "bind", id=broadcast, streamId=stream["id"], part="id")
    channel = await client("channels", "list", mine=True, part="id,snippet,status")
    assert channel["items"][0]["snippet"]["title"] == "Harbour Radio"


async def test_googles_credentials_refresh_themselves_until_they_are_revoked(
    client: Client, google: Google, sandbox: Sandbox
) -> None:
    mine, before = client.credentials, client.credentials.token
    sandbox.world.clock.advance(3600)
    # The client sees the 401, refreshes and calls again.
    await client("channels", "list", mine=True, part="id")
    assert mine.token != before
    assert await google.ask("/revoke", token=mine.refresh_token or "") == (200, {})
    with requests.Session() as session, pytest.raises(RefreshError, match="invalid_grant"):
        await asyncio.to_thread(mine.refresh, Request(session))


def test_values_are_googles() -> None:
    assert {life.value for life in LifeCycle} < enum("LiveBroadcastStatus", "lifeCycleStatus")
    assert set(PRIVACIES) == enum("LiveBroadcastStatus", "privacyStatus")
    assert set(LATENCIES) < enum("LiveBroadcastContentDetails", "latencyPreference")
    assert set(RESOLUTIONS) == enum("CdnSettings", "resolution")
    assert set(FRAME_RATES) == enum("CdnSettings", "frameRate")
    assert set(INGESTION_TYPES) == enum("CdnSettings", "ingestionType")


def test_scopes_are_googles() -> None:
    methods = DOCUMENT["resources"]["liveBroadcasts"]["methods"]
    assert set(LIST) == set(methods["list"]["scopes"])
    for method in ("insert", "update", "delete", "bind", "transition"):
        assert set(WRITE) == set(methods[method]["scopes"])
    assert set(PICTURES) < set(DOCUMENT["resources"]["thumbnails"]["methods"]["set"]["scopes"])
