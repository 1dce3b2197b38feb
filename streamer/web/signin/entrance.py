"""What signing in goes through, and what all of its operations do alike: who asks, cookies, the audit log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from pydantic import BaseModel

from auth.accounts.accounts import Accounts
from auth.accounts.external import External
from auth.accounts.groups import Groups
from auth.accounts.setup import Setup
from auth.audit.entries import Event, Outcome
from auth.errors import AuthError, AuthUnavailable
from auth.factors.factors import Factors
from auth.factors.passwords import Passwords
from auth.permissions.actions import Action
from auth.signin.csrf import csrf_token
from auth.signin.enrolment import Enrolments
from auth.signin.logins import Logins
from auth.signin.oidc import Oidc
from auth.signin.session_records import OpenedSession, Session
from auth.signin.sessions import Sessions
from auth.signin.visitors import Visitor
from streamer.web.origin import client_address, is_https
from streamer.web.sessions import presented_cookie, set_session
from streamer.web.signin.models import OidcModel, SessionModel

OIDC_PATH = "/login/oidc"
_MAX_AGENT_CHARACTERS = 512


@dataclass(frozen=True, slots=True)
class Doors:
    """What signing in goes through; see the classes.

    Attributes:
        oidc: None without a provider.
        oidc_label: what the button says.
        passkeys: whether this server's address is known, to which passkeys are bound.
    """

    sessions: Sessions
    logins: Logins
    enrolments: Enrolments
    factors: Factors
    accounts: Accounts
    groups: Groups
    passwords: Passwords
    external: External
    setup: Setup
    oidc: Oidc | None = None
    oidc_label: str = ""
    passkeys: bool = True


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What signing in needs of the running server.

    Attributes:
        clock: seconds since 1970.
        record: keeps an event in the audit log.
        refused: keeps a refusal, unless there were too many from one address.
        refresh: has what was just changed count at once.
        may: whether the owner of a session may do something to the server as a whole.
        origin: how browsers reach this server; "" when only they know.
        confirm_after_s: how old a proof may be when factors or passwords are changed.
    """

    clock: Callable[[], float]
    record: Callable[[Event], Awaitable[None]]
    refused: Callable[[Event], None]
    refresh: Callable[[], Awaitable[object]]
    may: Callable[[Session, Action], bool]
    origin: str
    confirm_after_s: float


class Entrance:
    """Doors and surroundings together.

    Args:
        doors: what signing in goes through.
        around: the server.
    """

    def __init__(self, doors: Doors, around: Surroundings) -> None:
        self.doors = doors
        self.around = around

    async def signed_in(
        self, request: web.Request, opened: OpenedSession, body: Callable[[SessionModel], BaseModel]
    ) -> web.Response:
        """Answer somebody who has just signed in: cookie, CSRF token, body; the audit log learns of it."""
        response = web.Response()
        await self.begin(request, response, opened)
        response.content_type = "application/json"
        response.text = body(self.describe(opened.session, opened.cookie)).model_dump_json()
        return response

    async def begin(self, request: web.Request, response: web.Response, opened: OpenedSession) -> None:
        """Have a session begin with this response, in place of the browser's earlier one."""
        if (earlier := presented_cookie(request)) and earlier != opened.cookie:
            await self.doors.sessions.log_out(earlier)
        # An account may have been made, or come to a group, a moment ago.
        await self.around.refresh()
        record = opened.session.record
        await self.record(
            request, opened.session, "login", method=record.method, two_factors=record.with_factor
        )
        set_session(self.doors.sessions, request, response, opened)

    async def record(
        self, request: web.Request, session: Session, what: str, target: str = "", /, **details: object
    ) -> None:
        """Keep what somebody did about himself."""
        who = session.principal.id
        event = Event(
            who,
            what,
            target or who,
            client_address(request),
            details={"name": session.principal.name, "session": session.record.handle, **details},
        )
        await self.around.record(event)

    def refused(
        self, request: web.Request, what: str, error: AuthError, target: str = "", /, **details: object
    ) -> None:
        """Keep a refusal; what fails for want of a database or provider is none."""
        outcome = Outcome.FAILED if isinstance(error, AuthUnavailable) else Outcome.REFUSED
        event = Event(
            target, what, target, client_address(request), outcome, details={"why": str(error), **details}
        )
        self.around.refused(event)

    def describe(self, session: Session | None, cookie: str) -> SessionModel:
        """What a page learns about who is signed in, and how one can be."""
        doors = self.doors
        oidc = OidcModel(label=doors.oidc_label, url=OIDC_PATH) if doors.oidc is not None else None
        if session is None:
            return SessionModel(oidc=oidc, passkeys=doors.passkeys)
        record = session.record
        return SessionModel(
            name=session.principal.name,
            id=session.principal.id,
            standing=session.standing.value,
            method=record.method,
            two_factors=record.with_factor,
            csrf_token=csrf_token(cookie),
            proven_at=record.proven_at,
            expires_at=record.expires_at,
            actions=[action.value for action in Action if self.around.may(session, action)],
            oidc=oidc,
            passkeys=doors.passkeys,
        )

    def origin(self, request: web.Request) -> str:
        """How the browser reached this server."""
        scheme = "https" if is_https(request) else "http"
        return self.around.origin or f"{scheme}://{request.host}"


def visitor(request: web.Request) -> Visitor:
    """Who is at the other end."""
    agent = request.headers.get("User-Agent", "")[:_MAX_AGENT_CHARACTERS]
    return Visitor(client_address(request), agent)
