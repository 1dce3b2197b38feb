"""Puts the HTTP faces together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Middleware

from streamer.web.operations import Operation, add_routes, openapi
from streamer.web.origin import TRUSTED_PROXIES, Network
from streamer.web.problems import Handler, problems

_EXPOSED = "Location, ETag, Link, Retry-After, Accept-Post, Accept-Patch"
_ALLOWED = "Authorization, Content-Type, If-Match"
_HSTS_S = 365 * 24 * 3600
_METHODS = "GET, POST, PUT, PATCH, DELETE, OPTIONS"


class Face(Protocol):
    """One part of what is offered over HTTP."""

    def operations(self) -> list[Operation]:
        """What to route where."""


class Description:
    """The description of the API, as OpenAPI. A face like the others.

    Attributes:
        described: all operations.
    """

    def __init__(self) -> None:
        self.described: list[Operation] = []
        self._text: str | None = None

    def operations(self) -> list[Operation]:
        """What to route where."""
        return [Operation("GET", "/openapi.json", self.openapi, "This description")]

    async def openapi(self, request: web.Request) -> web.Response:
        """The description, which takes a quarter of a second to make."""
        if self._text is None:
            self._text = await asyncio.to_thread(lambda: json.dumps(openapi(self.described)))
        return web.json_response(text=self._text)


#: Where an application keeps its description.
DESCRIPTION = web.AppKey("description", Description)


def make_app(
    faces: Iterable[Face],
    *,
    cors_origins: Sequence[str],
    trusted_proxies: Sequence[Network] = (),
    middlewares: Sequence[Middleware] = (),
    hsts: bool = False,
) -> web.Application:
    """Build the application; everything it offers stands in its faces' tables.

    Args:
        faces: WHEP, pages and whatever else there is.
        cors_origins: sites whose pages may use it, "*" for all.
        trusted_proxies: whose word about the client counts.
        middlewares: what is to be known or refused before a handler is asked; they may raise as handlers do.
        hsts: tell browsers that this host is to be reached over HTTPS only (RFC 6797).
    """
    app = web.Application(middlewares=[_preflight, problems, *middlewares], client_max_size=256 * 1024)
    app[DESCRIPTION] = description = Description()
    description.described = [each for face in (*faces, description) for each in face.operations()]
    app[TRUSTED_PROXIES] = tuple(trusted_proxies)
    app[COMMON_FIELDS] = common = _CommonFields(cors_origins, hsts=hsts)
    app.on_response_prepare.append(common.apply)
    add_routes(app, description.described)
    return app


@web.middleware
async def _preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a browser that asks first, whatever the path; the rest of the answer is `_cors`'s."""
    asks_first = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    if request.headers.get("Origin") and asks_first:
        return web.Response(status=204)
    return await handler(request)


class _CommonFields:
    """Fields of headers that every answer has."""

    def __init__(self, origins: Sequence[str], *, hsts: bool) -> None:
        self._origins = origins
        # Also where there is nothing to allow: a cache must not give one site what was said to another.
        self._always = {"Vary": "Origin"}
        if hsts:
            self._always["Strict-Transport-Security"] = f"max-age={_HSTS_S}"

    def __call__(self, origin: str | None) -> Mapping[str, str]:
        """Let players on other sites use WHEP and the API (RFC 9725 section 4.6 asks for it).

        Args:
            origin: what the request has as its Origin.
        """
        if origin is None or not ("*" in self._origins or origin in self._origins):
            return self._always
        # Tokens travel in a header. A session's cookie is sent to sites of the same name alone, and nothing
        # here allows an answer to it to be read; so a wildcard gives no other site anybody's rights.
        allowed = "*" if "*" in self._origins else origin
        return {
            **self._always,
            "Access-Control-Allow-Origin": allowed,
            "Access-Control-Expose-Headers": _EXPOSED,
        }

    async def apply(self, request: web.Request, response: web.StreamResponse) -> None:
        """As an answer's headers are about to leave: a long one's are gone when its handler returns."""
        fields = self(request.headers.get("Origin"))
        response.headers.update(fields)
        if request.method == "OPTIONS" and "Access-Control-Allow-Origin" in fields:
            response.headers["Access-Control-Allow-Methods"] = _METHODS
            response.headers["Access-Control-Allow-Headers"] = _ALLOWED
            response.headers["Access-Control-Max-Age"] = "86400"


#: Where an application keeps what every answer of its has; for who answers in its place.
COMMON_FIELDS = web.AppKey("common_fields", _CommonFields)
