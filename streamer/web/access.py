"""Who asks: the bearer token of a request, or the session of a browser, and what it opens.

`auth.door` decides. Who watches a public stream needs no token, and none is looked at. Who may watch and not
listen gets no sound, and who may only listen no picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from aiohttp import web

from auth.actions import Action
from auth.credentials import NOTHING, Credential, TokenCredential
from auth.door import Ask, Door, Entry
from auth.permit import Permit
from auth.protocols import Protocol
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
        door: whom it asks.
    """

    def __init__(self, door: Door) -> None:
        self._door = door

    async def require_admin(self, request: web.Request, stream: str = "") -> Permit:
        """Let only those through who administer a stream, or the server for "".

        Raises:
            AuthError: anybody else, or a token that does not count.
        """
        return await self._door.check(self._ask(request, Action.ADMIN, Protocol.API, stream))

    async def require_audit(self, request: web.Request) -> Permit:
        """Let only those through who may read the audit log.

        Raises:
            AuthError: as `require_admin`.
        """
        return await self._door.check(self._ask(request, Action.AUDIT, Protocol.API))

    async def require_manage(self, request: web.Request, stream: str) -> Permit:
        """Let those through who manage a stream, or the server for "".

        Raises:
            AuthError: as `require_admin`.
        """
        return await self._door.check(self._ask(request, Action.MANAGE, Protocol.API, stream))

    async def require_watch(self, request: web.Request, stream: Stream) -> Permit:
        """Let those through who may watch a stream.

        Raises:
            AuthError: as `require_admin`.
        """
        return await self._door.check(self._to_watch(request, stream, Protocol.API))

    async def require_play(self, request: web.Request, stream: Stream) -> Permit:
        """Let those through who may watch or hear a stream; the permit's actions say which.

        Raises:
            AuthError: as `require_admin`.
        """
        return await self._door.check(self._to_play(request, stream))

    def may_manage(self, request: web.Request, stream: Stream) -> bool:
        """Whether a list for those who manage should show this stream."""
        return self._door.may(self._ask(request, Action.MANAGE, Protocol.API, stream.name))

    def may_watch(self, request: web.Request, stream: Stream) -> bool:
        """Whether a list of streams should show this one."""
        return stream.config.public or self._door.may(self._to_watch(request, stream, Protocol.API))

    async def enter(self, request: web.Request, stream: Stream, end: Callable[[str], None]) -> Entry:
        """Let a viewer in for as long as he may watch or hear what he does.

        Args:
            request: his.
            stream: what he plays.
            end: takes the reason when he may not any more; see `Door.enter`.

        Returns:
            To be closed when he leaves.

        Raises:
            AuthError: as `require_admin`.
        """
        return await self._door.enter(self._to_play(request, stream), end)

    def _ask(self, request: web.Request, action: Action, protocol: Protocol, stream: str = "") -> Ask:
        return Ask(presented(request), action, protocol, stream, client_address(request))

    def _to_watch(self, request: web.Request, stream: Stream, protocol: Protocol) -> Ask:
        if stream.config.public:
            return Ask(NOTHING, Action.WATCH, protocol, stream.name, client_address(request), public=True)
        return self._ask(request, Action.WATCH, protocol, stream.name)

    def _to_play(self, request: web.Request, stream: Stream) -> Ask:
        watch = self._to_watch(request, stream, Protocol.WHEP)
        listen = replace(watch, action=Action.LISTEN)
        return listen if self._door.may(listen) and not self._door.may(watch) else watch
