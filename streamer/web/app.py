"""Puts the HTTP faces together."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Middleware

from streamer.web.api import Api
from streamer.web.operations import Operation, add_routes
from streamer.web.origin import TRUSTED_PROXIES, Network
from streamer.web.pages import Pages
from streamer.web.problems import Handler, problems
from streamer.web.whep import Whep

_EXPOSED = "Location, ETag, Link, Retry-After, Accept-Post, Accept-Patch"
_ALLOWED = "Authorization, Content-Type, If-Match"
_HSTS_S = 365 * 24 * 3600
_METHODS = "GET, POST, PATCH, DELETE, OPTIONS"


def make_app(
    whep: Whep,
    api: Api,
    pages: Pages,
    *,
    cors_origins: Sequence[str],
    trusted_proxies: Sequence[Network] = (),
    hsts: bool = False,
) -> web.Application:
    """Build the application; everything it offers stands in the three tables.

    Args:
        whep: watching.
        api: administration.
        pages: the player.
        cors_origins: sites whose pages may use it, "*" for all.
        trusted_proxies: whose word about the client counts.
        hsts: tell browsers that this host is to be reached over HTTPS only (RFC 6797).
    """
    app = web.Application(middlewares=[_cors(cors_origins), problems], client_max_size=256 * 1024)
    operations: list[Operation] = [*whep.operations(), *api.operations(), *pages.operations()]
    app[TRUSTED_PROXIES] = tuple(trusted_proxies)
    if hsts:
        app.on_response_prepare.append(_strict_transport)
    api.described = operations
    add_routes(app, operations)
    return app


async def _strict_transport(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Strict-Transport-Security"] = f"max-age={_HSTS_S}"


def _cors(origins: Sequence[str]) -> Middleware:
    @web.middleware
    async def cors(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let players on other sites use WHEP and the API (RFC 9725 section 4.6 asks for it)."""
        origin = request.headers.get("Origin")
        asks_first = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        response = web.Response(status=204) if origin and asks_first else await handler(request)
        if origin is None or not ("*" in origins or origin in origins):
            return response
        # Tokens travel in a header, never in a cookie, so a wildcard gives no other site anybody's rights.
        response.headers["Access-Control-Allow-Origin"] = "*" if "*" in origins else origin
        response.headers["Vary"] = "Origin"
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = _METHODS
            response.headers["Access-Control-Allow-Headers"] = _ALLOWED
            response.headers["Access-Control-Max-Age"] = "86400"
        return response

    return cors
