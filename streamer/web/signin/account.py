"""One's own account: who one is, proving it again, the password, the sessions.

What changes who can sign in asks for a proof that is not old, so that a browser left alone for a while gives
nobody the account for good.
"""

from __future__ import annotations

import json

from aiohttp import web

from auth.errors import AuthError
from auth.signin.session_records import Session, SessionRecord, Standing
from streamer.web.answers import answer
from streamer.web.inputs import read_body
from streamer.web.operations import Operation
from streamer.web.problems import Problem
from streamer.web.sessions import clear_session, presented_cookie, require_session, set_session
from streamer.web.signin.entrance import Entrance, visitor
from streamer.web.signin.login import proof_of
from streamer.web.signin.models import (
    AccountModel,
    CeremonyModel,
    ConfirmBody,
    EndedModel,
    NewPasswordBody,
    OwnSessionModel,
    OwnSessionsModel,
    PasskeyModel,
    SessionModel,
)

REFUSED = {
    401: "Nobody is signed in, or what was shown is wrong",
    403: "No CSRF token, a proof is needed first, or this session is good for something else only",
}
_DELAYED = {429: "Too many failed attempts; Retry-After says how long to wait"}


class Account:
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
                "/api/v1/account",
                self.account,
                "One's own account",
                {200: "The account", **REFUSED},
                returns=AccountModel,
                needs="session",
            ),
            Operation(
                "POST",
                "/api/v1/account/confirm",
                self.confirm,
                "Prove again who is there; the cookie and the CSRF token change",
                {200: "Proven", **REFUSED, **_DELAYED},
                returns=SessionModel,
                takes=ConfirmBody,
                needs="session",
            ),
            Operation(
                "POST",
                "/api/v1/account/confirm/passkey",
                self.confirm_passkey,
                "Begin to show a passkey of one's own",
                {200: "For the browser", **REFUSED},
                returns=CeremonyModel,
                needs="session",
            ),
            Operation(
                "POST",
                "/api/v1/account/password",
                self.password,
                "Change the password; all other sessions end, the cookie and the CSRF token change",
                {
                    200: "Changed",
                    400: "Not what is taken here, or another password is needed; the message says why",
                    **REFUSED,
                    **_DELAYED,
                },
                returns=SessionModel,
                takes=NewPasswordBody,
                needs="session",
            ),
            Operation(
                "GET",
                "/api/v1/account/sessions",
                self.sessions,
                "One's own sessions",
                {200: "All of them", **REFUSED},
                returns=OwnSessionsModel,
                needs="session",
            ),
            Operation(
                "DELETE",
                "/api/v1/account/sessions",
                self.revoke_others,
                "End all sessions but this one",
                {200: "How many those were", **REFUSED},
                returns=EndedModel,
                needs="session",
            ),
            Operation(
                "DELETE",
                "/api/v1/account/sessions/{id}",
                self.revoke,
                "End a session; what it opened ends within a second",
                {204: "Ended", **REFUSED, 404: "No such session"},
                needs="session",
            ),
        ]

    async def account(self, request: web.Request) -> web.Response:
        """Everything about one's own account."""
        session = require_session(request, *Standing)
        factors, principal = self._doors.factors, session.principal
        account = await self._doors.accounts.account(principal.id)
        groups = await self._doors.groups.groups_of(principal.id)
        return answer(
            AccountModel(
                id=account.id,
                name=account.name,
                full_name=account.full_name,
                email=account.email,
                groups=[each.name for each in groups],
                has_password=await self._doors.passwords.has(account.id),
                providers=sorted(await self._doors.external.providers_of(account.id)),
                totp=await factors.totp.has(account.id),
                passkeys=[
                    PasskeyModel(
                        id=each.id, label=each.label, created_at=each.created_at, used_at=each.used_at
                    )
                    for each in await factors.passkeys.passkeys_of(account.id)
                ],
                recovery_codes_left=await factors.recovery.left(account.id),
                factor_required=await factors.required(principal),
                password_min_characters=self._doors.passwords.policy.min_characters,
            )
        )

    async def confirm(self, request: web.Request) -> web.Response:
        """Prove again who is there."""
        session = require_session(request, *Standing)
        body = await read_body(request, ConfirmBody)
        shown = body.code or body.passkey_ticket
        try:
            opened = await self._doors.logins.confirm(
                presented_cookie(request),
                visitor(request),
                password=body.password.get_secret_value() if body.password is not None else None,
                proof=proof_of(body.code, body.passkey_ticket, body.passkey) if shown else None,
            )
        except AuthError as error:
            self._entrance.refused(request, "confirm", error, session.principal.id)
            raise
        await self._entrance.record(request, opened.session, "confirm", two_factors=bool(shown))
        response = answer(self._entrance.describe(opened.session, opened.cookie))
        set_session(self._doors.sessions, request, response, opened)
        return response

    async def confirm_passkey(self, request: web.Request) -> web.Response:
        """Begin to show a passkey of one's own."""
        session = require_session(request, *Standing)
        ceremony = await self._doors.factors.passkeys.begin_authentication(session.principal.id)
        return answer(CeremonyModel(ticket=ceremony.ticket, options=json.loads(ceremony.options)))

    async def password(self, request: web.Request) -> web.Response:
        """Change the password."""
        session = require_session(request, Standing.FULL)
        body = await read_body(request, NewPasswordBody)
        require_proof(self._entrance, session)
        try:
            opened = await self._doors.logins.change_password(
                presented_cookie(request),
                visitor(request),
                old=body.old.get_secret_value(),
                new=body.new.get_secret_value(),
            )
        except AuthError as error:
            self._entrance.refused(request, "password.change", error, session.principal.id)
            raise
        await self._entrance.record(request, opened.session, "password.change")
        response = answer(self._entrance.describe(opened.session, opened.cookie))
        set_session(self._doors.sessions, request, response, opened)
        return response

    async def sessions(self, request: web.Request) -> web.Response:
        """One's own sessions."""
        session = require_session(request, Standing.FULL)
        found = await self._doors.sessions.sessions_of(session.principal.id)
        return answer(OwnSessionsModel(sessions=[_own(record, session) for record in found]))

    async def revoke(self, request: web.Request) -> web.Response:
        """End a session."""
        session = require_session(request, Standing.FULL)
        handle = request.match_info["id"]
        await self._doors.sessions.revoke(session.principal.id, handle)
        await self._entrance.record(request, session, "session.revoke", handle)
        response = web.Response(status=204)
        if handle == session.record.handle:
            clear_session(self._doors.sessions, request, response)
        return response

    async def revoke_others(self, request: web.Request) -> web.Response:
        """End all sessions but this one."""
        session = require_session(request, Standing.FULL)
        ended = await self._doors.sessions.revoke_others(session.principal.id, session.record.handle)
        await self._entrance.record(request, session, "session.revoke", count=ended)
        return answer(EndedModel(ended=ended))


def require_proof(entrance: Entrance, session: Session) -> None:
    """Refuse a session in which too long ago something was proven.

    Raises:
        Problem: 403.
    """
    if entrance.around.clock() - session.record.proven_at > entrance.around.confirm_after_s:
        raise Problem(
            403, "proof_needed", "prove again who you are: with the password, or by signing out and in again"
        )


def _own(record: SessionRecord, current: Session) -> OwnSessionModel:
    return OwnSessionModel(
        id=record.handle,
        current=record.handle == current.record.handle,
        method=record.method,
        two_factors=record.with_factor,
        address=record.address,
        agent=record.agent,
        created_at=record.created_at,
        seen_at=record.seen_at,
        expires_at=record.expires_at,
    )
