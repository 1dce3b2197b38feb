"""graph.facebook.com, as far as going live takes it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from ops.sandbox.clock import graph_time
from ops.sandbox.face import CALL, Handler, Refusal, World, operation
from ops.sandbox.facebook.drafts import change_live_video, new_live_video
from ops.sandbox.facebook.errors import (
    fault_refusal,
    graph_error,
    missing_permission,
    no_such_object,
)
from ops.sandbox.facebook.fields import chosen, parse_fields
from ops.sandbox.facebook.live_video import LiveVideo
from ops.sandbox.facebook.nodes import (
    CREATED_FIELDS,
    DEFAULT_FIELDS,
    ingest_stream_node,
    live_video_node,
    page_node,
    secondary_urls,
    user_node,
)
from ops.sandbox.facebook.oauth import SCOPES, VERSION, FacebookOAuth, parameters
from ops.sandbox.facebook.requests import Ask, read_ask
from ops.sandbox.oauth import Use
from ops.sandbox.parties import Account, Page, Platform

# Facebook's own client ends it with a slash.
_NODE = "/{id}{end:/?}"
_OF_PAGES = frozenset({"pages_manage_posts", "pages_read_engagement"})


class Facebook:
    """The face; its state lasts as long as the sandbox."""

    platform = Platform.FACEBOOK

    def __init__(self, world: World) -> None:
        self._world = world
        self._oauth = FacebookOAuth(world)
        self.tokens = self._oauth.tokens
        self.videos: dict[str, LiveVideo] = {}

    def routes(self) -> list[web.RouteDef]:
        """Everything it answers."""
        table: list[tuple[str, str, str, Handler]] = [
            ("debug_token", "GET", "/debug_token", self.debug_token),
            ("accounts.list", "GET", "/{id}/accounts", self.accounts),
            ("permissions.list", "GET", "/{id}/permissions", self.permissions),
            ("permissions.delete", "DELETE", "/{id}/permissions", self.revoke),
            ("permissions.delete_one", "DELETE", "/{id}/permissions/{permission}", self.revoke),
            ("live_videos.list", "GET", "/{id}/live_videos", self.list_videos),
            ("live_videos.create", "POST", "/{id}/live_videos", self.create_video),
            ("live_video.errors", "GET", "/{id}/errors", self.errors),
            ("live_video.comments", "GET", "/{id}/comments", self.nothing_said),
            ("live_video.reactions", "GET", "/{id}/reactions", self.nothing_said),
            ("node.get", "GET", _NODE, self.read),
            ("node.update", "POST", _NODE, self.update),
            ("node.delete", "DELETE", _NODE, self.delete),
        ]
        routes = [
            operation(self.platform, name, verb, VERSION + path, handler)
            for name, verb, path, handler in table
        ]
        return self._oauth.routes() + routes

    def refusal(self, status: int, reason: str, message: str) -> Refusal:
        """An error as Facebook writes it; the reason is a code, or code/subcode."""
        return fault_refusal(status, reason, message)

    def settle(self) -> None:
        """Starts, the limits of 24 and 8 hours, streams that were lost."""
        for video in self.videos.values():
            video.settle(self._world.clock.now(), self._world.pace)

    def watch(self, programme_id: str, viewers: int | None) -> bool:
        """Set `live_views`."""
        found = [video for video in self.videos.values() if programme_id in {"", video.id}]
        for video in found:
            video.viewers = viewers
        return bool(found)

    def programmes(self) -> list[dict[str, Any]]:
        """The live videos, for the control face."""
        return [
            {
                "platform": self.platform.value,
                "id": video.id,
                "account": video.owner,
                "title": video.title,
                "status": video.status.value,
                "key": video.keys[0].name,
                "viewers": video.viewers,
                "started_at": video.started_at,
                "ended_at": video.ended_at,
            }
            for video in self.videos.values()
        ]

    async def debug_token(self, http: web.Request) -> web.Response:
        """What a token is."""
        token = self.tokens.known((await parameters(http)).get("input_token", ""), Use.ACCESS, Use.PAGE)
        if token is None:
            raise graph_error(190, "Invalid OAuth access token.")
        data = {
            "app_id": token.grant.client.id,
            "type": "PAGE" if token.use is Use.PAGE else "USER",
            "application": token.grant.client.name,
            "expires_at": int(token.expires_at or 0),
            "is_valid": not self.tokens.why_not(token),
            "issued_at": int(token.issued_at),
            "scopes": sorted(token.allows),
            "user_id": token.grant.account.id,
        }
        return web.json_response({"data": data})

    async def accounts(self, http: web.Request) -> web.Response:
        """The Pages somebody administers, with their tokens."""
        ask = await self._read(http)
        ask.must_be_themselves(http.match_info["id"])
        if "pages_show_list" not in ask.scopes:
            return web.json_response({"data": []})
        nodes = [self._page_node(page, ask) for page in ask.account.pages]
        fields = parse_fields(ask.asked.get("fields", "access_token,category,category_list,name,tasks"))
        shown = [chosen(node, fields, "Page") for node in nodes]
        return ask.edge(shown)

    async def permissions(self, http: web.Request) -> web.Response:
        """What was granted."""
        ask = await self._read(http)
        ask.must_be_themselves(http.match_info["id"])
        granted = ask.token.grant.scopes
        data = [{"permission": scope, "status": "granted"} for scope in SCOPES if scope in granted]
        return web.json_response({"data": data})

    async def revoke(self, http: web.Request) -> web.Response:
        """Take back one permission, or all."""
        ask = await self._read(http)
        ask.must_be_themselves(http.match_info["id"])
        permission = http.match_info.get("permission")
        if permission is None:
            self.tokens.revoke(ask.token)
        else:
            ask.token.grant.scopes -= {permission}
        return web.json_response({"success": True})

    async def create_video(self, http: web.Request) -> web.Response:
        """A new live video of the user or of a Page."""
        ask = await self._read(http)
        owner = ask.owner(http.match_info["id"])
        if isinstance(owner, Page):
            if not _OF_PAGES <= ask.scopes:
                raise missing_permission(*sorted(_OF_PAGES - ask.scopes))
        elif "publish_video" not in ask.scopes:
            raise missing_permission("publish_video")
        if not ask.account.live_allowed:
            text = "Live streaming is not available for this account: it is too new or has too few followers."
            raise graph_error(200, f"(#200) {text}", subcode=1363144, status=403)
        video = new_live_video(self._world, owner.id, ask.asked)
        self.videos[video.id] = video
        http[CALL].body = {name: value for name, value in ask.asked.items() if name != "access_token"}
        addresses = self._world.addresses
        body = chosen(
            live_video_node(video, owner, addresses, self._world.clock.now()),
            parse_fields(ask.asked.get("fields", ",".join(CREATED_FIELDS))),
            "LiveVideo",
        )
        if "fields" not in ask.asked:
            body["secure_stream_secondary_urls"] = secondary_urls(video, addresses)
        return web.json_response(body)

    async def list_videos(self, http: web.Request) -> web.Response:
        """The live videos of the user or of a Page, newest first."""
        ask = await self._read(http)
        owner = ask.owner(http.match_info["id"])
        wanted = [video for video in reversed(self.videos.values()) if video.owner == owner.id]
        if status := ask.asked.get("broadcast_status"):
            names = set(status.strip('[]"').replace('"', "").split(","))
            wanted = [video for video in wanted if video.status.value in names]
        shown = [self._shown(video, owner, ask) for video in wanted]
        return ask.edge(shown)

    async def errors(self, http: web.Request) -> web.Response:
        """What was wrong with a live video's stream."""
        ask = await self._read(http)
        video, _ = self._video(http, ask)
        data = [
            {
                "id": error.id,
                "creation_time": graph_time(error.at),
                "error_code": error.code,
                "error_type": error.kind,
                "error_message": error.message,
            }
            for error in video.errors
        ]
        return ask.edge(data)

    async def nothing_said(self, http: web.Request) -> web.Response:
        """Comments and reactions: there are none."""
        self._video(http, await self._read(http))
        return web.json_response({"data": []})

    async def read(self, http: web.Request) -> web.Response:
        """Fields of a user, a Page, a live video or one of its ingest streams."""
        ask, node_id = await self._read(http), http.match_info["id"]
        if ask.is_me(node_id) or any(page.id == node_id for page in ask.account.pages):
            who = ask.who(node_id)
            node = self._page_node(who, ask) if isinstance(who, Page) else user_node(who)
            kind = "Page" if isinstance(who, Page) else "User"
            return web.json_response(chosen(node, parse_fields(ask.asked.get("fields", "id,name")), kind))
        if (video := self.videos.get(node_id[:-1])) is not None and node_id[-1:] in {"0", "1"}:
            number = int(node_id[-1])
            if video.owner == ask.speaker and number < len(video.keys):
                stream = ingest_stream_node(video, number, self._world.addresses)
                fields = parse_fields(ask.asked.get("fields", "id,secure_stream_url,is_master,stream_id"))
                return web.json_response(chosen(stream, fields, "LiveVideoInputStream"))
        video, owner = self._video(http, ask)
        return web.json_response(self._shown(video, owner, ask))

    async def update(self, http: web.Request) -> web.Response:
        """Change, publish or end a live video."""
        ask = await self._read(http)
        video, _ = self._video(http, ask, "post")
        change_live_video(video, ask.asked, self._world.clock.now())
        self.settle()
        http[CALL].body = {name: value for name, value in ask.asked.items() if name != "access_token"}
        return web.json_response({"id": video.id, "success": True})

    async def delete(self, http: web.Request) -> web.Response:
        """Forget a live video."""
        video, _ = self._video(http, await self._read(http), "delete")
        del self.videos[video.id]
        for key in video.keys:
            self._world.keys.remove(key)
        return web.json_response({"success": True})

    async def _read(self, http: web.Request) -> Ask:
        return await read_ask(http, self._oauth, self._world.addresses.http)

    def _video(self, http: web.Request, ask: Ask, verb: str = "get") -> tuple[LiveVideo, Account | Page]:
        video = self.videos.get(http.match_info["id"])
        if video is None or video.owner != ask.speaker:
            raise no_such_object(http.match_info["id"], verb)
        return video, ask.who(video.owner)

    def _shown(self, video: LiveVideo, owner: Account | Page, ask: Ask) -> dict[str, Any]:
        node = live_video_node(video, owner, self._world.addresses, self._world.clock.now())
        fields = parse_fields(ask.asked.get("fields", ",".join(DEFAULT_FIELDS)))
        return chosen(node, fields, "LiveVideo")

    def _page_node(self, page: Page, ask: Ask) -> dict[str, Any]:
        return page_node(page, self._oauth.page_token(ask.token, page.id).text)
