"""Signing in with a password, a second factor or a passkey, and out again."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from auth.errors import AuthError, FactorNeeded, NoSuchPrincipal
from auth.factors.factors import Proof
from auth.signin.session_records import OpenedSession, Standing
from streamer.web.answers import answer
from streamer.web.inputs import read_body
from streamer.web.operations import Operation
from streamer.web.sessions import (
    clear_session,
    presented_cookie,
    presented_session,
    require_own_page,
    require_session,
)
from streamer.web.signin.entrance import Entrance, visitor
from streamer.web.signin.models import (
    CeremonyModel,
    FactorBody,
    LoginModel,
    PasskeyBody,
    PasskeyOptionsBody,
    PasswordBody,
    SecondStepModel,
    SessionModel,
)

_REFUSED = {
    401: "Something was wrong; it is not said what",
    403: "Another site's page asks",
    429: "Too many failed attempts; Retry-After says how long to wait",
    503: "The database or the directory does not answer, or too many sign in at once",
}


class Login:
    """The handlers.

    Args:
        entrance: what signing in goes through.
    """

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self._doors = entrance.doors

    def operations(self) -> list[Operation]:
        """What to route where."""
        return [
            Operation(
                "GET",
                "/api/v1/session",
                self.session,
                "Who is signed in, and how one can be",
                returns=SessionModel,
            ),
            Operation(
                "POST",
                "/api/v1/login",
                self.password,
                "Sign in with a name and a password",
                {200: "Signed in, or what the second step takes", **_REFUSED},
                returns=LoginModel,
                takes=PasswordBody,
            ),
            Operation(
                "POST",
                "/api/v1/login/factor",
                self.factor,
                "Sign in: the second step",
                {200: "Signed in", **_REFUSED},
                returns=LoginModel,
                takes=FactorBody,
            ),
            Operation(
                "POST",
                "/api/v1/login/passkey/options",
                self.passkey_options,
                "Begin to show a passkey: instead of name and password, or as the second step",
                {200: "For the browser", **_REFUSED},
                returns=CeremonyModel,
                takes=PasskeyOptionsBody,
            ),
            Operation(
                "POST",
                "/api/v1/login/passkey",
                self.passkey,
                "Sign in with a passkey alone",
                {200: "Signed in", **_REFUSED},
                returns=LoginModel,
                takes=PasskeyBody,
            ),
            Operation(
                "POST", "/api/v1/logout", self.logout, "Sign out", {204: "Signed out"}, needs="session"
            ),
        ]

    async def session(self, request: web.Request) -> web.Response:
        """Who is signed in."""
        return answer(self._entrance.describe(presented_session(request), presented_cookie(request)))

    async def password(self, request: web.Request) -> web.Response:
        """Sign in with a name and a password."""
        require_own_page(request)
        body = await read_body(request, PasswordBody)
        proof = Proof(code=body.code) if body.code else None
        password = body.password.get_secret_value()
        target = await self._called(body.name)
        return await self._let_in(
            request,
            lambda: self._doors.logins.password(body.name, password, visitor(request), proof),
            target,
        )

    async def factor(self, request: web.Request) -> web.Response:
        """Finish with a second factor."""
        require_own_page(request)
        body = await read_body(request, FactorBody)
        proof = proof_of(body.code, body.passkey_ticket, body.passkey)
        return await self._let_in(
            request, lambda: self._doors.logins.second_step(body.ticket, proof, visitor(request))
        )

    async def passkey_options(self, request: web.Request) -> web.Response:
        """Begin to show a passkey."""
        require_own_page(request)
        body = await read_body(request, PasskeyOptionsBody)
        ceremony = await self._doors.logins.begin_passkey(body.ticket or None)
        return answer(CeremonyModel(ticket=ceremony.ticket, options=json.loads(ceremony.options)))

    async def passkey(self, request: web.Request) -> web.Response:
        """Sign in with a passkey alone."""
        require_own_page(request)
        body = await read_body(request, PasskeyBody)
        answer = json.dumps(body.passkey)
        return await self._let_in(
            request, lambda: self._doors.logins.passkey(body.ticket, answer, visitor(request))
        )

    async def logout(self, request: web.Request) -> web.Response:
        """Sign out."""
        session = require_session(request, *Standing)
        await self._doors.sessions.log_out(presented_cookie(request))
        await self._entrance.record(request, session, "logout")
        response = web.Response(status=204)
        clear_session(self._doors.sessions, request, response)
        return response

    async def _let_in(
        self, request: web.Request, way: Callable[[], Awaitable[OpenedSession]], target: str = ""
    ) -> web.Response:
        try:
            opened = await way()
        except FactorNeeded as needed:
            step = SecondStepModel(ticket=needed.ticket, factors=sorted(needed.factors))
            return answer(LoginModel(second_step=step))
        except AuthError as error:
            self._entrance.refused(request, "login", error, target)
            raise
        return await self._entrance.signed_in(request, opened, lambda session: LoginModel(session=session))

    async def _called(self, name: str) -> str:
        """Whose name was typed, for the audit log; not what was typed, which may be a password."""
        try:
            return (await self._doors.accounts.named(name)).id
        except NoSuchPrincipal:
            return ""


def proof_of(code: str, passkey_ticket: str, passkey: dict[str, object] | None) -> Proof:
    """What was shown as a second factor."""
    answer = json.dumps(passkey) if passkey is not None else ""
    return Proof(code, passkey_ticket, answer)
