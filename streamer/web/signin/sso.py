"""Signing in with an OpenID Connect provider: the page that leads there, the one that takes who comes back.

Both are opened by a browser, not by a page's script, so what goes wrong is told by the login page: in its
query stands which of a few texts to show, and never a text.
"""

from __future__ import annotations

import logging
from urllib.parse import quote, urlencode

from aiohttp import web

from auth.addresses import local_path
from auth.errors import (
    AccountConflict,
    AuthError,
    AuthUnavailable,
    BadCredentials,
    FactorNeeded,
    TokenInvalid,
)
from auth.signin.oidc import BEGUN_S, Oidc, Return
from auth.signin.session_records import OpenedSession, Standing
from streamer.web.operations import Operation
from streamer.web.origin import is_https
from streamer.web.signin.entrance import OIDC_PATH, Entrance, visitor

_log = logging.getLogger(__name__)

CALLBACK_PATH = f"{OIDC_PATH}/callback"
_NO_STORE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


class SingleSignOn:
    """The handlers; without a provider there are none.

    Args:
        entrance: what signing in goes through.
    """

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance

    def operations(self) -> list[Operation]:
        """What to route where."""
        oidc = self._entrance.doors.oidc
        if oidc is None:
            return []
        pages = _Pages(self._entrance, oidc)
        return [
            Operation("GET", OIDC_PATH, pages.start, "To the provider", described=False),
            Operation("GET", CALLBACK_PATH, pages.callback, "Back from the provider", described=False),
        ]


class _Pages:
    def __init__(self, entrance: Entrance, oidc: Oidc) -> None:
        self._entrance = entrance
        self._oidc = oidc

    async def start(self, request: web.Request) -> web.Response:
        """Send the browser to the provider."""
        return_to = local_path(request.query.get("next", "/"))
        try:
            departure = await self._oidc.begin(self._entrance.origin(request) + CALLBACK_PATH, return_to)
        except AuthError as error:
            return self._failed(request, error, _problem_of(error), return_to)
        response = _redirect(departure.url)
        secure = is_https(request)
        response.set_cookie(
            _binding_cookie(secure),
            departure.binding,
            max_age=int(BEGUN_S),
            path="/",
            secure=secure,
            httponly=True,
            samesite="Lax",
        )
        return response

    async def callback(self, request: web.Request) -> web.Response:
        """Take what the browser brings back."""
        secure = is_https(request)
        binding = request.cookies.get(_binding_cookie(secure), "")
        try:
            returned = await self._oidc.finish(dict(request.query), binding)
        except AuthError as error:
            response = self._failed(request, error, _problem_of(error), "/")
        else:
            response = await self._returned(request, returned)
        response.del_cookie(_binding_cookie(secure), path="/", secure=secure, httponly=True, samesite="Lax")
        return response

    async def _returned(self, request: web.Request, returned: Return) -> web.Response:
        try:
            opened = await self._open(request, returned)
        except FactorNeeded as needed:
            # Behind the #, where no server and no log sees it.
            second = urlencode({"ticket": needed.ticket, "factors": ",".join(sorted(needed.factors))})
            return _redirect(f"/login?next={quote(returned.return_to, safe='')}#{second}")
        except AuthError as error:
            problem = "sso_no_account" if isinstance(error, BadCredentials) else _problem_of(error)
            return self._failed(request, error, problem, returned.return_to)
        full = opened.session.standing is Standing.FULL
        # Until a second factor is set up there is only one page that does anything.
        response = _redirect(returned.return_to if full else "/account")
        await self._entrance.begin(request, response, opened)
        return response

    async def _open(self, request: web.Request, returned: Return) -> OpenedSession:
        return await self._entrance.doors.logins.vouched(
            returned.arrival,
            visitor(request),
            create=self._oidc.options.creates,
            with_factor=returned.with_factor,
        )

    def _failed(self, request: web.Request, error: AuthError, problem: str, return_to: str) -> web.Response:
        _log.warning("nobody could be signed in by the identity provider: %s", error)
        self._entrance.refused(request, "login", error, "", method=self._oidc.options.provider)
        return _redirect("/login?" + urlencode({"problem": problem, "next": return_to}))


def _binding_cookie(secure: bool) -> str:
    return "__Host-sso" if secure else "sso"


def _problem_of(error: AuthError) -> str:
    match error:
        case AuthUnavailable():
            return "unavailable"
        case TokenInvalid():
            return "sso_untrusted"
        case AccountConflict():
            return "sso_name"
    return "sso_again"


def _redirect(to: str) -> web.Response:
    return web.Response(status=302, headers={"Location": to, **_NO_STORE})
