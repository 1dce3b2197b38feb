"""What WHEP and WHIP share over HTTP: offers, fragments, ETags of ICE sessions (RFC 9725 section 4)."""

from __future__ import annotations

from aiohttp import web

from streamer.web.conditions import names_tag
from streamer.web.problems import Problem

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


def options_answer(request: web.Request) -> web.Response:
    """What may be sent; CORS headers are added for every answer."""
    is_session = "session" in request.match_info
    allowed = "PATCH, DELETE, OPTIONS" if is_session else "POST, GET, OPTIONS"
    accepts = {"Accept-Patch": FRAGMENT} if is_session else {"Accept-Post": SDP}
    return web.Response(status=204, headers={"Allow": allowed, **accepts})


def user_agent_of(request: web.Request) -> str:
    """What a client calls itself. A header that is not UTF-8 has lone surrogates, which no JSON can carry."""
    name = request.headers.get("User-Agent", "")[:_MAX_USER_AGENT_CHARACTERS]
    return name.encode(errors="replace").decode()
