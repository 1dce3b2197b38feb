"""What WHEP and WHIP share over HTTP: offers, fragments, ETags of ICE sessions (RFC 9725 section 4)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, Protocol, TypeVar

from aiohttp import web

from streamer.hub.stream import Stream
from streamer.web.conditions import names_tag
from streamer.web.confidential import require_confidential
from streamer.web.operations import Operation
from streamer.web.problems import Problem
from transport.errors import WireError

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
_MAX_BYTES = 64 * 1024
_MAX_USER_AGENT_CHARACTERS = 200


async def read_body(request: web.Request, content_type: str) -> str:
    """The text of a request that is of this type.

    Raises:
        Problem: 415 another type, 413 too large, 400 no UTF-8.
    """
    if request.content_type != content_type:
        raise Problem(
            415,
            "unsupported_media_type",
            f"expected Content-Type {content_type}, this is {request.content_type}",
            {"Accept-Post" if request.method == "POST" else "Accept-Patch": content_type},
        )
    body = await request.content.read(_MAX_BYTES + 1)
    while len(body) <= _MAX_BYTES and not request.content.at_eof():
        body += await request.content.read(_MAX_BYTES + 1 - len(body))
    if len(body) > _MAX_BYTES:
        raise Problem(413, "too_large", f"expected at most {_MAX_BYTES} bytes")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Problem(400, "bad_offer", "expected UTF-8 text") from None


def check_tag(request: web.Request, etag: str) -> None:
    """Refuse what is meant for another ICE session. Clients leave If-Match out, or quote the asterisk.

    Raises:
        Problem: 412.
    """
    wanted = request.headers.get("If-Match", "")
    if wanted not in ("", '"*"') and not names_tag(request, "If-Match", etag):
        raise Problem(412, "precondition_failed", f"this session's ETag is {etag}, not {wanted}")


def user_agent_of(request: web.Request) -> str:
    """What a client calls itself. A header that is not UTF-8 has lone surrogates, which no JSON can carry."""
    name = request.headers.get("User-Agent", "")[:_MAX_USER_AGENT_CHARACTERS]
    return name.encode(errors="replace").decode()


class Session(Protocol):
    """What a POST made."""

    @property
    def stream(self) -> Stream:
        """What it is about."""
        ...

    @property
    def key(self) -> str:
        """Names it; a secret."""
        ...

    @property
    def answer(self) -> str:
        """The SDP answer."""
        ...

    @property
    def etag(self) -> str:
        """Of its ICE session, quoted."""
        ...


AnySession = TypeVar("AnySession", bound=Session)


class Endpoint(ABC, Generic[AnySession]):
    """Sessions under `/{scheme}/{stream}/{session}`, made by a POST to the stream."""

    #: "whep" or "whip".
    scheme: str

    @abstractmethod
    def find(self, request: web.Request) -> AnySession:
        """The session that a request names.

        Raises:
            Problem: 404, it has ended or never was.
        """

    @abstractmethod
    def restart(self, session: AnySession, fragment: str) -> str | None:
        """Take a fragment; the answer to an ICE restart, None for trickled candidates.

        Raises:
            WireError: it is none.
        """

    @abstractmethod
    async def leave(self, request: web.Request) -> web.Response:
        """End a session."""

    def session_operations(self, ends: str) -> list[Operation]:
        """What can be done with a session.

        Args:
            ends: what ending it means, for the description.
        """
        stream, session = f"/{self.scheme}/{{stream}}", f"/{self.scheme}/{{stream}}/{{session}}"
        gone = {404: "No such session, or why it ended"}
        return [
            Operation("OPTIONS", stream, self.options, "Ask what may be sent", {204: "Accept-Post tells"}),
            Operation(
                "PATCH",
                session,
                self.patch,
                "Trickle candidates, or restart ICE",
                {
                    200: "ICE restarted; the new credentials",
                    204: "Taken note",
                    403: "The stream demands HTTPS",
                    400: "Not a usable fragment",
                    412: "If-Match names another ICE session",
                    415: "Not application/trickle-ice-sdpfrag",
                    **gone,
                },
                content=FRAGMENT,
                accepts=FRAGMENT,
            ),
            Operation(
                "DELETE",
                session,
                self.leave,
                ends,
                {200: "Ended", 412: "If-Match names another ICE session", **gone},
            ),
            Operation("OPTIONS", session, self.options, "Ask what may be sent", {204: "Accept-Patch tells"}),
        ]

    def created(self, session: AnySession, headers: dict[str, str] | None = None) -> web.Response:
        """Tell who asked for it of a new session (RFC 9725 section 4.2)."""
        return web.Response(
            status=201,
            body=session.answer.encode(),
            headers={
                "Content-Type": SDP,
                "Location": f"/{self.scheme}/{session.stream.name}/{session.key}",
                "ETag": session.etag,
                "Accept-Patch": FRAGMENT,
                **(headers or {}),
            },
        )

    async def patch(self, request: web.Request) -> web.Response:
        """Take trickled candidates, or restart ICE."""
        session = self.find(request)
        require_confidential(request, session.stream)
        fragment = await read_body(request, FRAGMENT)
        session = self.find(request)  # it may have ended meanwhile
        check_tag(request, session.etag)
        try:
            restarted = self.restart(session, fragment)
        except WireError as error:
            raise Problem(400, "bad_fragment", f"this fragment cannot be used: {error}") from None
        if restarted is None:
            return web.Response(status=204)
        headers = {"Content-Type": FRAGMENT, "ETag": session.etag}
        return web.Response(status=200, body=restarted.encode(), headers=headers)

    async def options(self, request: web.Request) -> web.Response:
        """Say what may be sent; CORS headers are added for every answer."""
        is_session = "session" in request.match_info
        allowed = "PATCH, DELETE, OPTIONS" if is_session else "POST, GET, OPTIONS"
        accepts = {"Accept-Patch": FRAGMENT} if is_session else {"Accept-Post": SDP}
        return web.Response(status=204, headers={"Allow": allowed, **accepts})
