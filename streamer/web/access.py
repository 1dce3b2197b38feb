"""Who asks: the bearer token of a request, or the session of a browser, and what it opens.

The administrator's own token opens everything. Any other one was issued by `streamer token`, and `auth.door`
decides. Who watches a public stream needs none, and none is looked at. Only `watch` is asked for: that a
token is without sound (`listen`) decides nothing yet.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from auth.actions import Action
from auth.credentials import NOTHING, Credential, TokenCredential
from auth.door import Ask, Door, Entry
from auth.permit import Permit
from auth.protocols import Protocol
from auth.secrets import AdminToken
from streamer.hub.stream import Stream
from streamer.web.origin import client_address
from streamer.web.sessions import session_credential


def presented_token(request: web.Request) -> str:
    """The token in the Authorization header or the query, "" when there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.query.get("token", "")


def presented(request: web.Request) -> Credential:
    """What a request presents: a token, else a session, else nothing."""
    token = presented_token(request)
    return TokenCredential(token) if token else session_credential(request)


class Access:
    """Decides what a request may do.

    Args:
        admin: the token that opens everything.
        door: decides about all others.
    """

    def __init__(self, admin: AdminToken, door: Door) -> None:
        self._admin = admin
        self._door = door

    async def require_admin(self, request: web.Request) -> None:
        """Let only administrators through.

        Raises:
            AuthError: anybody else, or a token that does not count.
        """
        await self._require(_ask(request, Action.ADMIN, Protocol.API), request)

    async def require_manage(self, request: web.Request, stream: str) -> Permit | None:
        """Let those through who manage a stream, or the server for "".

        Returns:
            Who that is; None for the administrator's token.

        Raises:
            AuthError: as `require_admin`.
        """
        return await self._require(_ask(request, Action.MANAGE, Protocol.API, stream), request)

    async def require_watch(self, request: web.Request, stream: Stream, protocol: Protocol) -> None:
        """Let those through who may watch a stream.

        Raises:
            AuthError: as `require_admin`.
        """
        await self._require(_to_watch(request, stream, protocol), request)

    def may_watch(self, request: web.Request, stream: Stream) -> bool:
        """Whether a list of streams should show this one."""
        if stream.config.public or self._is_admin(request):
            return True
        return self._door.may(_to_watch(request, stream, Protocol.API))

    def may_manage(self, request: web.Request, stream: str) -> bool:
        """Whether a list should show what belongs to a stream, or to the server for ""."""
        return self._is_admin(request) or self._door.may(_ask(request, Action.MANAGE, Protocol.API, stream))

    async def enter(self, request: web.Request, stream: Stream, end: Callable[[str], None]) -> Entry | None:
        """Let a viewer in for as long as he may watch.

        Args:
            request: his.
            stream: what he watches.
            end: takes the reason when he may not any more; see `Door.enter`.

        Returns:
            To be closed when he leaves; None for the administrator, who may always.

        Raises:
            AuthError: as `require_admin`.
        """
        if self._is_admin(request):
            return None
        return await self._door.enter(_to_watch(request, stream, Protocol.WHEP), end)

    async def _require(self, ask: Ask, request: web.Request) -> Permit | None:
        return None if self._is_admin(request) else await self._door.check(ask)

    def _is_admin(self, request: web.Request) -> bool:
        token = presented_token(request)
        return bool(token) and self._admin.matches(token)


def _ask(request: web.Request, action: Action, protocol: Protocol, stream: str = "") -> Ask:
    return Ask(presented(request), action, protocol, stream, client_address(request))


def _to_watch(request: web.Request, stream: Stream, protocol: Protocol) -> Ask:
    if stream.config.public:
        return Ask(NOTHING, Action.WATCH, protocol, stream.name, client_address(request), public=True)
    return _ask(request, Action.WATCH, protocol, stream.name)
