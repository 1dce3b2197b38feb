"""Sessions of browsers: the cookie of a request, and what it stands for.

The middleware looks at the cookie once, before anything else; whoever decides about the request asks
`session_credential` and presents what it gives to the door, where no token was presented. What keeps a
session from counting (no CSRF token, a second factor still to be set up) is said only to who needed it: a
public stream may be watched without.

A browser sends the cookie with whatever page asks, so a request that changes something must also carry a
token that only pages of this server know (`auth.signin.csrf`), in a header that no other site's page can
send.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Middleware

from auth.errors import AuthError, AuthUnavailable, BadCredentials, TokenInvalid
from auth.permissions.credentials import NOTHING, Credential, SessionCredential
from auth.signin.csrf import csrf_token, is_csrf_token
from auth.signin.session_records import OpenedSession, Session, Standing
from auth.signin.sessions import Sessions
from streamer.web.operations import CSRF_HEADER, SAFE_METHODS
from streamer.web.origin import is_https
from streamer.web.problems import Handler, Problem

_LOGIN_NEEDED = "this needs a login; sign in at /login"
_STATIC = "/static/"


@dataclass(slots=True)
class Recognised:
    """What a request's cookie stands for.

    Attributes:
        cookie: its value; a secret.
        session: None when it does not count.
        why: what keeps the session from counting for this request; None when nothing does.
        needed: whether somebody asked for it and was given nothing because of that.
    """

    cookie: str = field(repr=False)
    session: Session | None
    why: Problem | AuthError | None
    needed: bool = False


_RECOGNISED: web.RequestKey[Recognised] = web.RequestKey("recognised", Recognised)


def recognise(sessions: Sessions) -> Middleware:
    """The middleware that looks at cookies; inside of the one that renders errors."""

    @web.middleware
    async def recognise(request: web.Request, handler: Handler) -> web.StreamResponse:
        cookie = request.cookies.get(sessions.cookie(is_https(request)).name, "")
        if not cookie or request.path.startswith(_STATIC):
            return await handler(request)
        recognised = await _look(sessions, request, cookie)
        request[_RECOGNISED] = recognised
        try:
            return await handler(request)
        except BadCredentials:
            if recognised.needed and recognised.why is not None:
                raise recognised.why from None
            raise

    return recognise


def session_credential(request: web.Request) -> Credential:
    """What a request's session presents to the door; nothing where there is none that counts."""
    recognised: Recognised | None = request.get(_RECOGNISED)
    if recognised is None or recognised.session is None or recognised.why is not None:
        if recognised is not None:
            recognised.needed = True
        return NOTHING
    session = recognised.session
    return SessionCredential(session.principal, session.record.handle, session.record.expires_at)


def presented_session(request: web.Request) -> Session | None:
    """Whose session it is, whatever it is good for; None for nobody's. For what changes nothing."""
    recognised: Recognised | None = request.get(_RECOGNISED)
    return recognised.session if recognised is not None else None


def presented_cookie(request: web.Request) -> str:
    """The cookie of a session that counts or does not; "" for none."""
    recognised: Recognised | None = request.get(_RECOGNISED)
    return recognised.cookie if recognised is not None else ""


def require_session(request: web.Request, *standings: Standing) -> Session:
    """The session of a request that somebody makes about himself.

    Args:
        request: his; one that changes something needs its CSRF token.
        standings: which will do.

    Raises:
        Problem: 403, no CSRF token, or the session is good for something else only.
        AuthError: there is none.
    """
    recognised: Recognised | None = request.get(_RECOGNISED)
    if recognised is None:
        raise BadCredentials(_LOGIN_NEEDED)
    session = recognised.session
    if session is None:
        raise recognised.why or BadCredentials(_LOGIN_NEEDED)
    if not _is_ours(request, recognised.cookie):
        raise _csrf_problem()
    if session.standing not in standings:
        raise _standing_problem(session.standing)
    return session


def require_own_page(request: web.Request) -> None:
    """Refuse what a browser says that another site's page sent; programs say nothing of the kind.

    For requests that begin a session: before there is one there is no CSRF token.

    Raises:
        Problem: 403.
    """
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        raise Problem(403, "cross_site", "this can be asked for by pages of this server only")


def set_session(
    sessions: Sessions, request: web.Request, response: web.Response, opened: OpenedSession
) -> None:
    """Give the browser its cookie, and the page a CSRF token that goes with it."""
    cookie = sessions.cookie(is_https(request))
    response.set_cookie(
        cookie.name,
        opened.cookie,
        max_age=cookie.max_age_s,
        path=cookie.path,
        secure=cookie.secure,
        httponly=cookie.http_only,
        samesite=cookie.same_site,
    )
    response.headers[CSRF_HEADER] = csrf_token(opened.cookie)
    response.headers["Cache-Control"] = "no-store"


def clear_session(sessions: Sessions, request: web.Request, response: web.Response) -> None:
    """Have the browser forget its cookie."""
    cookie = sessions.cookie(is_https(request))
    response.del_cookie(
        cookie.name,
        path=cookie.path,
        secure=cookie.secure,
        httponly=cookie.http_only,
        samesite=cookie.same_site,
    )
    response.headers["Cache-Control"] = "no-store"


async def _look(sessions: Sessions, request: web.Request, cookie: str) -> Recognised:
    try:
        session = await sessions.authenticate(cookie)
    except TokenInvalid:
        return Recognised(cookie, None, None)
    except AuthUnavailable as error:
        # Who needs no session is served all the same.
        return Recognised(cookie, None, error)
    why: Problem | None = None
    if session.standing is not Standing.FULL:
        why = _standing_problem(session.standing)
    elif not _is_ours(request, cookie):
        why = _csrf_problem()
    return Recognised(cookie, session, why)


def _is_ours(request: web.Request, cookie: str) -> bool:
    if request.method in SAFE_METHODS:
        return True
    return is_csrf_token(cookie, request.headers.get(CSRF_HEADER, ""))


def _csrf_problem() -> Problem:
    return Problem(
        403, "csrf", f"a request with a session needs its CSRF token in {CSRF_HEADER}; reload the page"
    )


def _standing_problem(standing: Standing) -> Problem:
    if standing is Standing.FULL:
        return Problem(409, "conflict", "there is nothing left to prove or set up for this session")
    if standing is Standing.PROVE:
        return Problem(403, "factor_needed", "a second factor has come to be required; show it at /account")
    return Problem(403, "factor_needed", "a group of yours requires a second factor; set one up at /account")
