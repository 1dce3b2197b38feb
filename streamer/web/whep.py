"""WHEP: how a WebRTC client gets a stream (draft-ietf-wish-whep-03; RFC 9725 where that is silent).

POST /whep/{stream}            offer → 201, answer, Location, ETag
PATCH /whep/{stream}/{session} trickle → 204; ICE restart → 200 and a fragment with new credentials
DELETE /whep/{stream}/{session} → 200

Of a stream that is encrypted end to end the SDP tells the codec only; a header says that frames are sealed:
`Link: </api/v1/streams/cam/content-key>; rel="content-key"; format="gcm-trailer"; algorithm="AES-256-GCM"`.
"""

from __future__ import annotations

import logging
import time
from typing import Protocol as Interface

from aiohttp import web

from auth.access.door import Entry
from auth.permissions.actions import Action
from auth.permissions.principals import ANONYMOUS
from auth.permissions.protocols import Protocol
from streamer.egress.webrtc import GaveUp, NoSuchViewer, Viewer, WebRtcEgress
from streamer.errors import Full
from streamer.hub.registry import Registry
from streamer.hub.stream import Stream
from streamer.web.access import Access
from streamer.web.confidential import require_confidential
from streamer.web.operations import CONTENT_KEY_PATH, Operation
from streamer.web.origin import signalling
from streamer.web.problems import Problem
from streamer.web.sdp import SDP, Endpoint, check_tag, read_body, user_agent_of
from transport.errors import WireError

_log = logging.getLogger(__name__)


class Welcome(Interface):
    """Told of every viewer that was let in; must not block."""

    def __call__(self, request: web.Request, viewer: Viewer, entry: Entry, asked_at: float) -> None:
        """Take note: his request, at what time it came, and by what leave he is in."""


class Whep(Endpoint[Viewer]):
    """The handlers.

    Args:
        welcome: told of every viewer that was let in.
    """

    scheme = "whep"

    def __init__(
        self, registry: Registry, egress: WebRtcEgress, access: Access, welcome: Welcome | None = None
    ) -> None:
        self._registry = registry
        self._egress = egress
        self._access = access
        self._welcome = welcome

    def operations(self) -> list[Operation]:
        """What to route where."""
        stream = f"/{self.scheme}/{{stream}}"
        refused = {
            401: "A token is needed",
            403: "This token does not open it, or the stream demands HTTPS",
            404: "No such stream",
        }
        return [
            Operation(
                "POST",
                stream,
                self.join,
                "Watch a stream: send an SDP offer, get the answer",
                {
                    201: "The answer; Location names the session",
                    400: "Not a usable offer",
                    406: "The stream's codecs are not in the offer",
                    409: "Not live; Retry-After says when to ask again",
                    413: "An offer of more than 64 KiB",
                    415: "Not application/sdp",
                    429: "Too many from this address, or with this token; Retry-After says when to ask again",
                    503: "The server is full or stopping",
                    **refused,
                },
                content=SDP,
                accepts=SDP,
                needs="watch",
            ),
            Operation(
                "GET",
                stream,
                self.probe,
                "See whether there is a WHEP endpoint",
                {204: "There is", **refused},
            ),
            *self.session_operations("Stop watching"),
        ]

    async def join(self, request: web.Request) -> web.Response:
        """Answer an offer."""
        asked_at = time.time()
        stream = self._registry.find(request.match_info["stream"])
        # Before anything is done for him; he is in only when there is an answer that he can use.
        action = await self._access.require_play(request, stream, Protocol.WHEP)
        require_confidential(request, stream)
        offer = await read_body(request, SDP)
        try:
            viewer = await self._egress.join(
                stream,
                offer,
                user_agent=user_agent_of(request),
                signalling=signalling(request).description,
                sound_only=action is Action.LISTEN,
                is_waiting=lambda: _is_connected(request),
            )
        except WireError as error:
            raise Problem(400, "bad_offer", f"this offer cannot be used: {error}") from None
        except Full as error:
            raise Problem(503, "unavailable", str(error), {"Retry-After": "5"}) from None
        except GaveUp as error:
            # Nobody reads it; the number is nginx's, for whoever counts answers.
            raise Problem(499, "client_gone", str(error)) from None
        entry = await self._let_in(request, stream, action, viewer)
        if self._welcome is not None:
            self._welcome(request, viewer, entry, asked_at)
        return self.created(viewer, self._links(stream))

    async def probe(self, request: web.Request) -> web.Response:
        """Say that there is an endpoint here, for clients that look first."""
        stream = self._registry.find(request.match_info["stream"])
        await self._access.require_play(request, stream, Protocol.WHEP)
        require_confidential(request, stream)
        return web.Response(status=204, headers={"Accept-Post": SDP, **self._links(stream)})

    async def leave(self, request: web.Request) -> web.Response:
        """End a session."""
        viewer = self.find(request)
        check_tag(request, viewer.etag)
        self._egress.leave(viewer, "the viewer left")
        return web.Response(status=200)

    async def _let_in(self, request: web.Request, stream: Stream, action: Action, viewer: Viewer) -> Entry:
        """From now on his session ends when he may not watch any more."""
        entry = await self._access.admit(
            request,
            stream,
            action,
            Protocol.WHEP,
            viewer,
            leave=lambda why: self._egress.leave(viewer, why),
            remove=lambda why: self._egress.remove(viewer, why),
        )
        if entry.permit.principal is not ANONYMOUS:
            who = entry.permit.principal.name
            _log.info("%s: viewer is %s", stream.name, who, extra={"session": viewer.id})
        return entry

    def _links(self, stream: Stream) -> dict[str, str]:
        ring = self._egress.ring(stream)
        if ring is None:
            return {}
        cipher = ring.cipher(time.monotonic())
        path = CONTENT_KEY_PATH.format(name=stream.name)
        return {
            "Link": f'<{path}>; rel="content-key"; format="{cipher.format}"; algorithm="{cipher.algorithm}"'
        }

    def find(self, request: web.Request) -> Viewer:
        """As `Endpoint`."""
        try:
            return self._egress.by_key(request.match_info["session"])
        except NoSuchViewer as error:
            raise Problem(404, "no_such_session", str(error)) from None

    def restart(self, session: Viewer, fragment: str) -> str | None:
        """As `Endpoint`."""
        return self._egress.restart(session, fragment)


def _is_connected(request: web.Request) -> bool:
    """Whether its client is still there; without one, aiohttp lets the handler go on."""
    return request.transport is not None and not request.transport.is_closing()
