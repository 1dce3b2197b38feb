"""Limits how often one address may ask, with defaults that no crowd of viewers meets (`auth.access.rates`).

Joining over WHEP or HLS, logging in and everything else of the API count apart from each other; pages and
what they need are free, as are the questions of supervisors. Beginning to publish counts as logging in, as
publish keys are made up by people and could be guessed. Who asks too often gets a 429 that says when to come
back.
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Middleware

from auth.access.rates import RateLimiter, Rates
from streamer.web.origin import client_address
from streamer.web.problems import Handler

#: What begins so is limited; the first that fits counts. Without a method: any. What follows HLS's first
#: playlist is free, as it needs a session, and comes several times a second from each viewer.
_LIMITED: tuple[tuple[str, str, str], ...] = (
    ("POST", "/api/v1/login", "login"),
    ("POST", "/api/v1/setup", "login"),
    ("POST", "/api/v1/account/confirm", "login"),
    ("GET", "/login/", "login"),
    ("POST", "/whep/", "whep"),
    ("GET", "/whep/", "whep"),
    ("POST", "/whip/", "login"),
    ("GET", "/whip/", "login"),
    ("", "/whep/", "api"),
    ("", "/whip/", "api"),
    ("", "/api/", "api"),
    ("", "/thumbnails/", "api"),
)


def limited(rates: Rates) -> Middleware:
    """The middleware.

    Args:
        rates: the limiters; their rates may change at any time.
    """
    limiters = {"login": rates.login, "whep": rates.whep, "api": rates.api}

    @web.middleware
    async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
        limiter = _limiter(limiters, request.method, request.path)
        if limiter is not None:
            limiter.check(client_address(request))
        return await handler(request)

    return limit


def _limiter(limiters: dict[str, RateLimiter], method: str, path: str) -> RateLimiter | None:
    for only, beginning, name in _LIMITED:
        if path.startswith(beginning) and only in ("", method):
            return limiters[name]
    is_joining = path.startswith("/hls/") and path.endswith("/index.m3u8")
    return limiters["whep"] if is_joining else None
