"""WHIP: how a browser or OBS publishes a stream (RFC 9725).

POST /whip/{stream}            offer → 201, answer, Location, ETag
PATCH /whip/{stream}/{session} trickle → 204; ICE restart → 200 and a fragment with new credentials
DELETE /whip/{stream}/{session} → 200

The bearer token is the stream's publish key, a token that may publish it, or an API key.
"""

from __future__ import annotations

import logging

from aiohttp import web

from auth.errors import AuthError
from auth.permissions.principals import ANONYMOUS
from streamer.hub.registry import Registry
from streamer.hub.stream import Stream
from streamer.ingest.rtp_session import RtpSession
from streamer.ingest.whip import NoSuchPublisher, Stopping, Untakable, WhipIngest
from streamer.web.access import Access
from streamer.web.confidential import require_confidential
from streamer.web.operations import Operation
from streamer.web.origin import client_address
from streamer.web.problems import Problem
from streamer.web.sdp import SDP, Endpoint, check_tag, read_body, user_agent_of
from transport.errors import WireError

_log = logging.getLogger(__name__)


class Whip(Endpoint[RtpSession]):
    """The handlers."""

    scheme = "whip"

    def __init__(self, registry: Registry, ingest: WhipIngest, access: Access) -> None:
        self._registry = registry
        self._ingest = ingest
        self._access = access

    def operations(self) -> list[Operation]:
        """What to route where."""
        stream = f"/{self.scheme}/{{stream}}"
        refused = {
            401: "The publish key, or a token, is needed",
            403: "This token does not open it, or the stream demands HTTPS",
            404: "No such stream",
        }
        return [
            Operation(
                "POST",
                stream,
                self.publish,
                "Publish a stream: send an SDP offer, get the answer",
                {
                    201: "The answer; Location names the session",
                    400: "Not a usable offer",
                    406: "Nothing that is offered can be taken, or the stream is pulled from its source",
                    409: "Somebody publishes it; Retry-After says when to ask again",
                    413: "An offer of more than 64 KiB",
                    415: "Not application/sdp",
                    429: "Too many from this address, or with this token; Retry-After says when to ask again",
                    503: "The server is stopping",
                    **refused,
                },
                content=SDP,
                accepts=SDP,
                needs="publish",
            ),
            Operation(
                "GET",
                stream,
                self.probe,
                "See whether there is a WHIP endpoint",
                {204: "There is", 429: "Too many from this address", **refused},
            ),
            *self.session_operations("Stop publishing"),
        ]

    async def publish(self, request: web.Request) -> web.Response:
        """Answer an offer."""
        stream = self._registry.find(request.match_info["stream"])
        await self._access.require_publish(request, stream)
        require_confidential(request, stream)
        offer = await read_body(request, SDP)
        try:
            session = self._ingest.join(
                stream, offer, address=client_address(request), user_agent=user_agent_of(request)
            )
        except WireError as error:
            raise Problem(400, "bad_offer", f"this offer cannot be used: {error}") from None
        except Untakable as error:
            raise Problem(406, "not_takable", str(error)) from None
        except Stopping as error:
            raise Problem(503, "unavailable", str(error), {"Retry-After": "5"}) from None
        await self._let_in(request, stream, session)
        return self.created(session)

    async def probe(self, request: web.Request) -> web.Response:
        """Say that there is an endpoint here, for clients that look first."""
        stream = self._registry.find(request.match_info["stream"])
        await self._access.require_publish(request, stream)
        require_confidential(request, stream)
        return web.Response(status=204, headers={"Accept-Post": SDP})

    async def leave(self, request: web.Request) -> web.Response:
        """End a session."""
        try:
            self._ingest.end(request.match_info["session"], lambda session: check_tag(request, session.etag))
        except NoSuchPublisher as error:
            raise Problem(404, "no_such_session", str(error)) from None
        return web.Response(status=200)

    async def _let_in(self, request: web.Request, stream: Stream, session: RtpSession) -> None:
        """From now on his session ends when he may not publish any more."""
        try:
            entry = await self._access.enter_to_publish(
                request, stream, lambda why: self._ingest.leave(session, why)
            )
        except BaseException as error:
            refused = isinstance(error, AuthError)
            self._ingest.leave(session, str(error) if refused else "it did not wait for the answer")
            raise
        session.when_ended(entry.close)
        self._ingest.prefer(session)
        if entry.permit.principal is not ANONYMOUS:
            who = entry.permit.principal.name
            _log.info("%s: publisher is %s", stream.name, who, extra={"session": session.id})

    def find(self, request: web.Request) -> RtpSession:
        """As `Endpoint`."""
        try:
            return self._ingest.by_key(request.match_info["session"])
        except NoSuchPublisher as error:
            raise Problem(404, "no_such_session", str(error)) from None

    def restart(self, session: RtpSession, fragment: str) -> str | None:
        """As `Endpoint`."""
        return self._ingest.restart(session, fragment)
