"""Who asks: the bearer token of a request, or the session of a browser, and what it opens.

`auth.access.door` decides, about tokens, API keys of service accounts and sessions alike. Who may `listen` to
a stream and not `watch` it gets its sound alone.

Who watches a public stream needs nothing. What he presents all the same counts where it would let him in: he
is then known by it, takes one of its seats and leaves with its end. Where it would not, because it is wrong,
over or used up, he is in as anybody is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol as Interface

from aiohttp import web

from auth.access.door import Ask, Door, Entry
from auth.access.permit import Permit
from auth.errors import AuthError, BadCredentials, Forbidden, SeatsTaken, TokenInvalid
from auth.permissions.actions import Action
from auth.permissions.credentials import (
    NOTHING,
    Credential,
    KeyCredential,
    NoCredential,
    SessionCredential,
    credential_of,
)
from auth.permissions.protocols import Protocol
from streamer.callers import publishing_credential
from streamer.hub.stream import Stream
from streamer.web.origin import client_address
from streamer.web.sessions import session_credential

_TO_WATCH = (Action.WATCH,)
_TO_PLAY = (Action.WATCH, Action.LISTEN)


def presented_token(request: web.Request) -> str:
    """The token in the Authorization header or the query, "" when there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.query.get("token", "")


def presented(request: web.Request) -> Credential:
    """What a request presents: a token or an API key, else a session, else nothing."""
    token = presented_token(request)
    return credential_of(token) if token else session_credential(request)


class Seated(Interface):
    """A viewer's session."""

    def when_ended(self, tell: Callable[[], None]) -> None:
        """Have somebody told that it ended, once; at once when it has."""


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
            AuthError: anybody else, or a credential that does not count.
        """
        return await self._door.check(_ask(request, Action.ADMIN, Protocol.API, stream))

    async def require_audit(self, request: web.Request) -> Permit:
        """Let only those through who may read the audit log.

        Raises:
            AuthError: as `require_admin`.
        """
        return await self._door.check(_ask(request, Action.AUDIT, Protocol.API))

    async def require_manage(self, request: web.Request, stream: str) -> Permit:
        """Let those through who manage a stream, or the server for "".

        Raises:
            AuthError: as `require_admin`.
        """
        return await self._door.check(_ask(request, Action.MANAGE, Protocol.API, stream))

    async def require_managed(
        self, request: web.Request, streams: Iterable[Stream]
    ) -> tuple[Permit, list[Stream]]:
        """Those of the streams that the asker manages; there must be one, unless he manages the server.

        Raises:
            AuthError: as `require_admin`.
        """
        managed = [stream for stream in streams if self.may_manage(request, stream.name)]
        return await self.require_manage(request, managed[0].name if managed else ""), managed

    async def require_watch(self, request: web.Request, stream: Stream, protocol: Protocol) -> None:
        """Let those through who may watch a stream.

        Raises:
            AuthError: as `require_admin`.
        """
        await self._door.check(await self._door.choose(_to_play(request, stream, protocol, _TO_WATCH)))

    async def require_play(self, request: web.Request, stream: Stream, protocol: Protocol) -> Action:
        """Let those through who may watch a stream, or listen to it; which of the two.

        Raises:
            AuthError: as `require_admin`.
        """
        ask = await self._door.choose(_to_play(request, stream, protocol))
        await self._door.check(ask)
        return ask.action

    async def require_publish(self, request: web.Request, stream: Stream) -> None:
        """Let those through who may publish a stream.

        Raises:
            AuthError: as `require_admin`.
        """
        await self._door.check(self._to_publish(request, stream))

    async def enter_to_publish(
        self, request: web.Request, stream: Stream, end: Callable[[str], None]
    ) -> Entry:
        """Let a publisher in for as long as he may; see `enter`.

        Raises:
            AuthError: as `require_admin`.
        """
        return await self._door.enter(self._to_publish(request, stream), end)

    def may_manage(self, request: web.Request, stream: str) -> bool:
        """Whether a list for managers should show what belongs to a stream, or to the server for ""."""
        return self._door.may(_ask(request, Action.MANAGE, Protocol.API, stream))

    def may_play(self, request: web.Request, stream: Stream) -> bool:
        """Whether a list of streams should show this one."""
        if stream.config.public:
            return True
        return any(self._door.may(ask) for ask in _to_play(request, stream, Protocol.API))

    async def admit(
        self,
        request: web.Request,
        stream: Stream,
        action: Action,
        protocol: Protocol,
        seated: Seated,
        *,
        leave: Callable[[str], None],
        remove: Callable[[str], None],
    ) -> Entry:
        """As `enter`, for a viewer whose session there is already: it gives the entry back when it ends.

        Args:
            request: his.
            stream: what he watches.
            action: as `enter` wants it.
            protocol: over what.
            seated: his session.
            leave: ends it where he is not let in, or did not wait for it; takes the reason.
            remove: ends it when he may not watch any more; takes the reason.

        Raises:
            AuthError: as `require_admin`.
        """
        try:
            entry = await self.enter(request, stream, action, protocol, remove)
        except BaseException as error:
            leave(str(error) if isinstance(error, AuthError) else "it did not wait for the answer")
            raise
        seated.when_ended(entry.close)
        return entry

    async def enter(
        self,
        request: web.Request,
        stream: Stream,
        action: Action,
        protocol: Protocol,
        end: Callable[[str], None],
    ) -> Entry:
        """Let a viewer in for as long as he may.

        Args:
            request: his.
            stream: what he watches.
            action: whether he watches it or listens to it, as `require_play` said.
            protocol: over what.
            end: takes the reason when he may not any more; see `Door.enter`.

        Returns:
            To be closed when he leaves.

        Raises:
            AuthError: as `require_admin`.
        """
        asks = _to_play(request, stream, protocol, (action,))
        ask = await self._door.choose(asks)
        try:
            return await self._door.enter(ask, end)
        except (Forbidden, SeatsTaken, TokenInvalid):
            # The last of a public stream's is anybody's; what was presented may have no seat left.
            if ask is asks[-1] or not stream.config.public:
                raise
            return await self._door.enter(asks[-1], end)

    def _to_publish(self, request: web.Request, stream: Stream) -> Ask:
        token = presented_token(request)
        credential = publishing_credential(token, stream.config) if token else session_credential(request)
        is_unknown = isinstance(credential, KeyCredential) and credential.expected is None
        # A program that is asked may know what it is.
        if is_unknown and self._door.webhook is None:
            raise BadCredentials(f"{stream.name!r} has no publish_key; a token is needed, and this is none")
        return Ask(credential, Action.PUBLISH, Protocol.WHIP, stream.name, client_address(request))


def _ask(request: web.Request, action: Action, protocol: Protocol, stream: str = "") -> Ask:
    return Ask(presented(request), action, protocol, stream, client_address(request))


def _to_play(
    request: web.Request, stream: Stream, protocol: Protocol, actions: Sequence[Action] = _TO_PLAY
) -> list[Ask]:
    """What may let him in, the best first."""
    asks = [_ask(request, action, protocol, stream.name) for action in actions]
    if not stream.config.public:
        return asks
    anybody = replace(asks[0], credential=NOTHING, action=Action.WATCH, public=True)
    # A session is not presented on purpose: whoever signs out need not stop watching what everybody may.
    if isinstance(asks[0].credential, NoCredential | SessionCredential):
        return [anybody]
    # Who may only listen with what he presents may watch as anybody.
    return [asks[0], anybody]
