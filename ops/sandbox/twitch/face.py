"""api.twitch.tv/helix: users, keys, channels, categories, streams; and the list of ingests."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from ops.sandbox.face import CALL, Handler, Refusal, World, operation
from ops.sandbox.oauth import Token, Use
from ops.sandbox.parties import Account, Platform
from ops.sandbox.twitch.channel import GAMES, Channel, Channels, game_of, new_key
from ops.sandbox.twitch.entries import category_entry, information_entry, stream_entry, user_entry
from ops.sandbox.twitch.errors import fault_refusal, helix_error, missing_scope
from ops.sandbox.twitch.limits import Bucket
from ops.sandbox.twitch.oauth import MANAGE, READ_KEY, TwitchOAuth

_APP = "app"
_MAX_TITLE = 140
_MAX_TAGS = 10
_FORBIDDEN = "The ID in broadcaster_id must match the user ID found in the request's OAuth token."


class Twitch:
    """The face; its state lasts as long as the sandbox."""

    platform = Platform.TWITCH

    def __init__(self, world: World) -> None:
        self._world = world
        self._oauth = TwitchOAuth(world)
        self.bucket = Bucket(world.clock)
        self.tokens = self._oauth.tokens
        self.channels = Channels()
        for account in world.register.accounts_of(Platform.TWITCH):
            self.channels.by_id[account.id] = self._channel(account)

    def routes(self) -> list[web.RouteDef]:
        """Everything it answers."""
        table: list[tuple[str, str, str, Handler]] = [
            ("users.list", "GET", "/helix/users", self.users),
            ("streams.key", "GET", "/helix/streams/key", self.stream_key),
            ("streams.list", "GET", "/helix/streams", self.streams),
            ("channels.list", "GET", "/helix/channels", self.channel),
            ("channels.update", "PATCH", "/helix/channels", self.change_channel),
            ("search.categories", "GET", "/helix/search/categories", self.search),
            ("games.list", "GET", "/helix/games", self.games),
            ("ingests.list", "GET", "/ingests", self.ingests),
        ]
        helix = [
            operation(self.platform, name, verb, path, self._limited(handler))
            for name, verb, path, handler in table
        ]
        return helix + self._oauth.routes()

    def refusal(self, status: int, reason: str, message: str) -> Refusal:
        """An error as Twitch writes it."""
        return fault_refusal(status, reason, message)

    def settle(self) -> None:
        """Channels go live and off the air."""
        for channel in self.channels.by_id.values():
            channel.settle(self._world.clock.now())

    def watch(self, programme_id: str, viewers: int | None) -> bool:
        """Set `viewer_count`; the id is the channel's, or its broadcast's."""
        found = [
            channel
            for channel in self.channels.by_id.values()
            if programme_id in {"", channel.account.id, channel.stream_id}
        ]
        for channel in found:
            channel.viewers = viewers or 0
        return bool(found)

    def programmes(self) -> list[dict[str, Any]]:
        """The channels, for the control face."""
        return [
            {
                "platform": self.platform.value,
                "id": channel.stream_id or channel.account.id,
                "account": channel.account.id,
                "title": channel.title,
                "status": "live" if channel.stream_id else "",
                "key": channel.key.name,
                "viewers": channel.viewers,
                "started_at": channel.started_at,
                "ended_at": channel.ended_at,
            }
            for channel in self.channels.by_id.values()
        ]

    async def users(self, http: web.Request) -> web.Response:
        """Whose token it is, or users by id and login."""
        token = self._admit(http)
        ids, logins = http.query.getall("id", []), http.query.getall("login", [])
        accounts = self._world.register.accounts_of(self.platform)
        wanted = [account for account in accounts if account.id in ids or account.login in logins]
        if not ids and not logins:
            wanted = [token.grant.account]
        return _data([user_entry(account) for account in wanted])

    async def stream_key(self, http: web.Request) -> web.Response:
        """The key of the account's own channel."""
        channel = self._own(http, self._admit(http, READ_KEY), 403)
        return _data([{"stream_key": channel.key.name}])

    async def channel(self, http: web.Request) -> web.Response:
        """Title, category and so on of channels."""
        self._admit(http)
        ids = http.query.getall("broadcaster_id", [])
        if not ids:
            raise helix_error(400, 'Missing required parameter "broadcaster_id"')
        return _data([information_entry(self.channels.by_id[i]) for i in ids if i in self.channels.by_id])

    async def change_channel(self, http: web.Request) -> web.Response:
        """Change them of the account's own."""
        channel = self._own(http, self._admit(http, MANAGE), 401)
        body = await _body(http)
        if not body:
            raise helix_error(400, "The request must specify at least one field to update.")
        http[CALL].body = body
        _change(channel, body)
        return web.Response(status=204)

    async def search(self, http: web.Request) -> web.Response:
        """Categories by words of their name."""
        self._admit(http)
        text = http.query.get("query", "")
        if not text:
            raise helix_error(400, 'The parameter "query" was malformed: the value must not be empty')
        found = [category_entry(game) for game in self.channels.search(text)]
        return web.json_response({"data": found, "pagination": {}})

    async def games(self, http: web.Request) -> web.Response:
        """Categories by id or exact name."""
        self._admit(http)
        ids, names = http.query.getall("id", []), http.query.getall("name", [])
        if not ids and not names:
            raise helix_error(400, "Missing required parameter: id, name or igdb_id")
        wanted = [game for game in GAMES if game.id in ids or game.name in names]
        return _data([{**category_entry(game), "igdb_id": game.igdb_id} for game in wanted])

    async def streams(self, http: web.Request) -> web.Response:
        """The channels that are live."""
        self._admit(http)
        ids, logins = http.query.getall("user_id", []), http.query.getall("user_login", [])
        found = [
            stream_entry(channel)
            for channel in self.channels.by_id.values()
            if channel.stream_id
            and (not (ids or logins) or channel.account.id in ids or channel.account.login in logins)
        ]
        return web.json_response({"data": found, "pagination": {}})

    async def ingests(self, http: web.Request) -> web.Response:
        """Where to send to; no token is needed."""
        addresses = self._world.addresses
        ingest = {
            "_id": 1,
            "availability": 1.0,
            "default": True,
            "name": "This machine",
            "url_template": f"{addresses.rtmp}/{_APP}/{{stream_key}}",
            "url_template_secure": f"{addresses.rtmps}/{_APP}/{{stream_key}}",
            "priority": 0,
        }
        return web.json_response({"ingests": [ingest]})

    def _limited(self, handler: Handler) -> Handler:
        """A handler whose answers say how many points are left."""

        async def handle(http: web.Request) -> web.StreamResponse:
            try:
                answer = await handler(http)
            except Refusal as refusal:
                refusal.headers.update(self.bucket.headers(http[CALL].client_id))
                raise
            answer.headers.update(self.bucket.headers(http[CALL].client_id))
            return answer

        return handle

    def _channel(self, account: Account) -> Channel:
        return Channel(account, self._world.keys.add(self.platform, _APP, new_key(account)))

    def _admit(self, http: web.Request, scope: str = "") -> Token:
        """The token of a request, which must name the app that it was given to."""
        scheme, _, text = http.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not text:
            raise helix_error(401, "OAuth token is missing")
        token = self.tokens.known(text, Use.ACCESS)
        if token is None or self.tokens.why_not(token):
            raise helix_error(401, "Invalid OAuth token")
        client_id = http.headers.get("Client-Id", "")
        if client_id != token.grant.client.id:
            raise helix_error(
                401, "Client ID and OAuth token do not match" if client_id else "Client ID is missing"
            )
        call = http[CALL]
        call.client_id, call.account_id = client_id, token.grant.account.id
        if not self.bucket.take(client_id):
            raise helix_error(429, "Too Many Requests")
        if scope and scope not in token.allows:
            raise missing_scope(scope)
        return token

    def _own(self, http: web.Request, token: Token, status: int) -> Channel:
        broadcaster = http.query.get("broadcaster_id", "")
        if not broadcaster:
            raise helix_error(400, 'Missing required parameter "broadcaster_id"')
        if broadcaster != token.grant.account.id:
            raise helix_error(status, _FORBIDDEN)
        return self.channels.by_id[broadcaster]


async def _body(http: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await http.text() or "{}")
    except ValueError:
        raise helix_error(400, "The request body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise helix_error(400, "The request body must be a JSON object.")
    return body


def _change(channel: Channel, body: dict[str, Any]) -> None:
    title, game_id = body.get("title", channel.title), body.get("game_id")
    if "title" in body and (not isinstance(title, str) or not title.strip() or len(title) > _MAX_TITLE):
        raise helix_error(400, f"The title must be 1 to {_MAX_TITLE} characters long.")
    game = channel.game
    if game_id is not None:
        # An empty id or "0" takes the category away.
        game = None if game_id in {"", "0"} else game_of(str(game_id))
        if game is None and game_id not in {"", "0"}:
            raise helix_error(400, "The ID in game_id is not valid.")
    tags = body.get("tags", list(channel.tags))
    if not isinstance(tags, list) or len(tags) > _MAX_TAGS or not all(isinstance(tag, str) for tag in tags):
        raise helix_error(400, f"The list of tags may have at most {_MAX_TAGS} entries.")
    channel.title, channel.game, channel.tags = title, game, tuple(tags)
    channel.language = str(body.get("broadcaster_language", channel.language))


def _data(entries: list[dict[str, Any]]) -> web.Response:
    return web.json_response({"data": entries})
