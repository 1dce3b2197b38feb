"""youtube.googleapis.com: broadcasts, streams, thumbnails, and what live needs of channels and videos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from ops.sandbox.face import Refusal, World, operation
from ops.sandbox.parties import Account, Platform
from ops.sandbox.youtube import requests
from ops.sandbox.youtube.broadcast import Broadcast, LifeCycle, LiveStream, NotAllowed
from ops.sandbox.youtube.drafts import change_broadcast, new_broadcast, new_stream
from ops.sandbox.youtube.errors import bad_parameter, bad_value, refused
from ops.sandbox.youtube.oauth import GoogleOAuth
from ops.sandbox.youtube.pictures import Pictures
from ops.sandbox.youtube.requests import LIST, WRITE, Method, body_of, one_filter, page_of, parts_of
from ops.sandbox.youtube.resources import (
    BROADCAST_PARTS,
    STREAM_PARTS,
    broadcast_resource,
    channel_resource,
    list_response,
    stream_resource,
    video_resource,
)

_UPCOMING = frozenset({LifeCycle.CREATED, LifeCycle.READY, LifeCycle.TEST_STARTING, LifeCycle.TESTING})
_FILTERS: dict[str, Callable[[Broadcast], bool]] = {
    "all": lambda broadcast: True,
    "active": lambda broadcast: broadcast.life in {LifeCycle.LIVE_STARTING, LifeCycle.LIVE},
    "upcoming": lambda broadcast: broadcast.life in _UPCOMING,
    "completed": lambda broadcast: broadcast.life is LifeCycle.COMPLETE,
}
_API = "/youtube/v3"


class YouTube:
    """The face; its state lasts as long as the sandbox.

    Args:
        rotates, testing: of the authorization server, see there.
    """

    platform = Platform.YOUTUBE

    def __init__(self, world: World, *, rotates: bool = False, testing: bool = False) -> None:
        self._world = world
        self._oauth = GoogleOAuth(world, rotates=rotates, testing=testing)
        self.tokens = self._oauth.tokens
        self.broadcasts: dict[str, Broadcast] = {}
        self.streams: dict[str, LiveStream] = {}
        self._pictures = Pictures(world, self.broadcasts)

    def routes(self) -> list[web.RouteDef]:
        """Everything it answers."""
        table: list[tuple[str, str, str, tuple[str, ...], Method]] = [
            ("liveBroadcasts.list", "GET", "/liveBroadcasts", LIST, self.list_broadcasts),
            ("liveBroadcasts.insert", "POST", "/liveBroadcasts", WRITE, self.insert_broadcast),
            ("liveBroadcasts.update", "PUT", "/liveBroadcasts", WRITE, self.update_broadcast),
            ("liveBroadcasts.delete", "DELETE", "/liveBroadcasts", WRITE, self.delete_broadcast),
            ("liveBroadcasts.bind", "POST", "/liveBroadcasts/bind", WRITE, self.bind),
            ("liveBroadcasts.transition", "POST", "/liveBroadcasts/transition", WRITE, self.transition),
            ("liveStreams.list", "GET", "/liveStreams", LIST, self.list_streams),
            ("liveStreams.insert", "POST", "/liveStreams", WRITE, self.insert_stream),
            ("liveStreams.delete", "DELETE", "/liveStreams", WRITE, self.delete_stream),
            ("channels.list", "GET", "/channels", LIST, self.list_channels),
            ("videos.list", "GET", "/videos", LIST, self.list_videos),
        ]
        world, tokens = self._world, self.tokens
        routes = [
            operation(
                self.platform, name, verb, _API + path, requests.authorized(world, tokens, scopes, method)
            )
            for name, verb, path, scopes, method in table
        ]
        return routes + self._pictures.routes(tokens) + self._oauth.routes()

    def refusal(self, status: int, reason: str, message: str) -> Refusal:
        """An error as Google writes it."""
        return requests.fault_refusal(status, reason, message)

    def settle(self) -> None:
        """Starts that are over, auto-start, auto-stop."""
        for broadcast in self.broadcasts.values():
            broadcast.settle(self._world.clock.now(), self._world.pace)

    def watch(self, programme_id: str, viewers: int | None) -> bool:
        """Set `concurrentViewers`."""
        found = [b for b in self.broadcasts.values() if programme_id in {"", b.id}]
        for broadcast in found:
            broadcast.viewers = viewers
        return bool(found)

    def programmes(self) -> list[dict[str, Any]]:
        """The broadcasts, for the control face."""
        return [
            {
                "platform": self.platform.value,
                "id": broadcast.id,
                "account": broadcast.channel_id,
                "title": broadcast.title,
                "status": broadcast.life.value,
                "key": broadcast.stream.key.name if broadcast.stream is not None else None,
                "viewers": broadcast.viewers,
                "started_at": broadcast.started_at,
                "ended_at": broadcast.ended_at,
            }
            for broadcast in self.broadcasts.values()
        ]

    async def insert_broadcast(self, http: web.Request, account: Account) -> web.Response:
        """A new broadcast."""
        parts = parts_of(http, BROADCAST_PARTS)
        _check_live(account)
        broadcast = new_broadcast(self._world, account.id, await body_of(http))
        self.broadcasts[broadcast.id] = broadcast
        return self._shown(broadcast, parts)

    async def update_broadcast(self, http: web.Request, account: Account) -> web.Response:
        """Replace the parts that are named."""
        parts = parts_of(http, BROADCAST_PARTS)
        body = await body_of(http)
        broadcast = self._broadcast(str(body.get("id", "")), account)
        change_broadcast(broadcast, body, parts)
        return self._shown(broadcast, parts)

    async def delete_broadcast(self, http: web.Request, account: Account) -> web.Response:
        """Forget a broadcast that is not on air."""
        broadcast = self._broadcast(_needed(http, "id"), account)
        if broadcast.on_air:
            raise refused("liveBroadcastDeletionNotAllowed")
        del self.broadcasts[broadcast.id]
        return web.Response(status=204)

    async def list_broadcasts(self, http: web.Request, account: Account) -> web.Response:
        """By id, by status, or all of the channel."""
        parts = parts_of(http, BROADCAST_PARTS)
        chosen = one_filter(http, "id", "mine", "broadcastStatus")
        wanted = self._of(account)
        if chosen == "id":
            ids = http.query["id"].split(",")
            wanted = [broadcast for broadcast in self.broadcasts.values() if broadcast.id in ids]
            wanted = [b for b in wanted if b.channel_id == account.id or b.privacy != "private"]
        elif chosen == "broadcastStatus":
            keep = _FILTERS.get(http.query["broadcastStatus"])
            if keep is None:
                raise bad_value("broadcast_status", http.query["broadcastStatus"])
            wanted = [broadcast for broadcast in wanted if keep(broadcast)]
        http_base = self._world.addresses.http
        items = [broadcast_resource(broadcast, parts, http_base) for broadcast in wanted]
        return _page(http, "youtube#liveBroadcastListResponse", items)

    async def bind(self, http: web.Request, account: Account) -> web.Response:
        """Tie a broadcast to a stream, or without `streamId` to none."""
        parts = parts_of(http, BROADCAST_PARTS)
        broadcast = self._broadcast(_needed(http, "id"), account)
        stream_id = http.query.get("streamId")
        stream = None if stream_id is None else self._stream(stream_id, account)
        with _reasons():
            broadcast.bind(stream, self._world.clock.now())
        return self._shown(broadcast, parts)

    async def transition(self, http: web.Request, account: Account) -> web.Response:
        """Begin to test, go live, end."""
        parts = parts_of(http, BROADCAST_PARTS)
        broadcast, wanted = self._broadcast(_needed(http, "id"), account), _needed(http, "broadcastStatus")
        if wanted not in {"testing", "live", "complete"}:
            raise bad_value("broadcast_status", wanted)
        with _reasons():
            broadcast.transition(wanted, self._world.clock.now(), self._world.pace)
        return self._shown(broadcast, parts)

    async def insert_stream(self, http: web.Request, account: Account) -> web.Response:
        """A new ingest address."""
        parts = parts_of(http, STREAM_PARTS)
        _check_live(account)
        stream = new_stream(self._world, account.id, await body_of(http))
        self.streams[stream.id] = stream
        return web.json_response(self._stream_resource(stream, parts))

    async def list_streams(self, http: web.Request, account: Account) -> web.Response:
        """By id, or all of the channel."""
        parts = parts_of(http, STREAM_PARTS)
        wanted = [stream for stream in self.streams.values() if stream.channel_id == account.id]
        if one_filter(http, "id", "mine") == "id":
            ids = http.query["id"].split(",")
            wanted = [stream for stream in wanted if stream.id in ids]
        items = [self._stream_resource(stream, parts) for stream in wanted]
        return _page(http, "youtube#liveStreamListResponse", items)

    async def delete_stream(self, http: web.Request, account: Account) -> web.Response:
        """Close an ingest address that no unfinished broadcast uses."""
        stream = self._stream(_needed(http, "id"), account)
        if any(b.stream is stream and b.life is not LifeCycle.COMPLETE for b in self.broadcasts.values()):
            raise refused("liveStreamDeletionNotAllowed")
        del self.streams[stream.id]
        self._world.keys.remove(stream.key)
        return web.Response(status=204)

    async def list_channels(self, http: web.Request, account: Account) -> web.Response:
        """The account's own channel."""
        parts = parts_of(http, ("snippet", "status", "contentDetails", "statistics"))
        one_filter(http, "id", "mine")
        item = channel_resource(account, parts, self._world.addresses.http)
        return _page(http, "youtube#channelListResponse", [item])

    async def list_videos(self, http: web.Request, account: Account) -> web.Response:
        """Broadcasts as videos: what the world sees of them."""
        parts = parts_of(http, ("snippet", "liveStreamingDetails", "status", "contentDetails", "statistics"))
        one_filter(http, "id")
        ids = http.query["id"].split(",")
        items = [
            video_resource(broadcast, parts, self._world.addresses.http)
            for broadcast in self.broadcasts.values()
            if broadcast.id in ids
        ]
        return _page(http, "youtube#videoListResponse", items)

    def _of(self, account: Account) -> list[Broadcast]:
        return [broadcast for broadcast in self.broadcasts.values() if broadcast.channel_id == account.id]

    def _broadcast(self, broadcast_id: str, account: Account) -> Broadcast:
        broadcast = self.broadcasts.get(broadcast_id)
        if broadcast is None or broadcast.channel_id != account.id:
            raise refused("liveBroadcastNotFound")
        return broadcast

    def _stream(self, stream_id: str, account: Account) -> LiveStream:
        stream = self.streams.get(stream_id)
        if stream is None or stream.channel_id != account.id:
            raise refused("liveStreamNotFound")
        return stream

    def _shown(self, broadcast: Broadcast, parts: frozenset[str]) -> web.Response:
        return web.json_response(broadcast_resource(broadcast, parts, self._world.addresses.http))

    def _stream_resource(self, stream: LiveStream, parts: frozenset[str]) -> dict[str, Any]:
        return stream_resource(stream, parts, self._world.addresses, self._world.clock.now())


@contextmanager
def _reasons() -> Iterator[None]:
    """Turn what a broadcast's state does not allow into Google's refusal."""
    try:
        yield
    except NotAllowed as error:
        raise refused(error.reason) from None


def _check_live(account: Account) -> None:
    if not account.live_allowed:
        raise refused("liveStreamingNotEnabled")


def _needed(http: web.Request, name: str) -> str:
    value = http.query.get(name, "")
    if not value:
        raise bad_parameter("required" if name != "id" else "idRequired", name, f"Required parameter: {name}")
    return value


def _page(http: web.Request, kind: str, items: list[dict[str, Any]]) -> web.Response:
    begin, size = page_of(http)
    body = list_response(kind, items[begin : begin + size], len(items), size)
    if begin + size < len(items):
        body["nextPageToken"] = f"P{begin + size}"
    if begin:
        body["prevPageToken"] = f"P{max(0, begin - size)}"
    return web.json_response(body)
