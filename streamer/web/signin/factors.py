"""Second factors of one's own account: an authenticator app, passkeys, recovery codes."""

from __future__ import annotations

import json

import segno
from aiohttp import web

from auth.factors.ceremonies import Ceremony
from auth.signin.enrolment import Enrolled
from auth.signin.session_records import Session, Standing
from streamer.web.answers import answer
from streamer.web.inputs import read_body
from streamer.web.operations import Operation
from streamer.web.sessions import presented_cookie, require_session, set_session
from streamer.web.signin.account import REFUSED, require_proof
from streamer.web.signin.entrance import Entrance
from streamer.web.signin.models import (
    CeremonyModel,
    CodeBody,
    NewPasskeyBody,
    RecoveryCodesModel,
    TotpModel,
)

_TO_ENROLL = (Standing.FULL, Standing.ENROLL)
_LAST = {409: "The factor that is there must be shown first, or is required and the only one"}


class Factors:
    """The handlers.

    Args:
        entrance: what signing in goes through.
    """

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self._enrolments = entrance.doors.enrolments

    def operations(self) -> list[Operation]:
        """What to route where."""
        return [
            Operation(
                "POST",
                "/api/v1/account/totp",
                self.begin_totp,
                "Begin to use an authenticator app; one in use stays so until a code of this one is shown",
                {200: "The seed", **REFUSED, **_LAST},
                returns=TotpModel,
                needs="session",
            ),
            Operation(
                "POST",
                "/api/v1/account/totp/confirm",
                self.finish_totp,
                "Use the app, one of whose codes this is; the cookie and the CSRF token change",
                {200: "In use", **REFUSED, **_LAST},
                returns=RecoveryCodesModel,
                takes=CodeBody,
                needs="session",
            ),
            Operation(
                "DELETE",
                "/api/v1/account/totp",
                self.remove_totp,
                "Forget the app",
                {204: "Forgotten", **REFUSED, **_LAST},
                needs="session",
            ),
            Operation(
                "POST",
                "/api/v1/account/passkeys/options",
                self.begin_passkey,
                "Begin to make a passkey",
                {200: "For the browser", **REFUSED, **_LAST},
                returns=CeremonyModel,
                needs="session",
            ),
            Operation(
                "POST",
                "/api/v1/account/passkeys",
                self.finish_passkey,
                "Keep a passkey; the cookie and the CSRF token change",
                {200: "Kept", **REFUSED, **_LAST},
                returns=RecoveryCodesModel,
                takes=NewPasskeyBody,
                needs="session",
            ),
            Operation(
                "DELETE",
                "/api/v1/account/passkeys/{id}",
                self.remove_passkey,
                "Forget a passkey",
                {204: "Forgotten", **REFUSED, **_LAST, 404: "No such passkey"},
                needs="session",
            ),
            Operation(
                "POST",
                "/api/v1/account/recovery-codes",
                self.recovery_codes,
                "New recovery codes, in place of what is left",
                {200: "The codes", **REFUSED, **_LAST},
                returns=RecoveryCodesModel,
                needs="session",
            ),
        ]

    async def begin_totp(self, request: web.Request) -> web.Response:
        """Make a seed."""
        self._owner(request, *_TO_ENROLL)
        enrolment = await self._enrolments.begin_totp(presented_cookie(request))
        # Black on white whatever the page looks like: cameras need the contrast, and the border.
        image = segno.make(enrolment.uri, error="m").svg_data_uri(scale=5, border=4, light="white")
        return answer(TotpModel(seed=enrolment.seed, uri=enrolment.uri, qr_svg=image))

    async def finish_totp(self, request: web.Request) -> web.Response:
        """Use the app."""
        self._owner(request, *_TO_ENROLL)
        body = await read_body(request, CodeBody)
        enrolled = await self._enrolments.finish_totp(presented_cookie(request), body.code)
        return await self._enrolled(request, enrolled, "totp")

    async def remove_totp(self, request: web.Request) -> web.Response:
        """Forget the app."""
        session = self._owner(request, Standing.FULL)
        await self._enrolments.remove_totp(presented_cookie(request))
        await self._entrance.record(request, session, "factor.remove", kind="totp")
        return web.Response(status=204)

    async def begin_passkey(self, request: web.Request) -> web.Response:
        """Begin to make a passkey."""
        self._owner(request, *_TO_ENROLL)
        return _ceremony(await self._enrolments.begin_passkey(presented_cookie(request)))

    async def finish_passkey(self, request: web.Request) -> web.Response:
        """Keep a passkey."""
        self._owner(request, *_TO_ENROLL)
        body = await read_body(request, NewPasskeyBody)
        enrolled = await self._enrolments.finish_passkey(
            presented_cookie(request), body.ticket, json.dumps(body.passkey), body.label
        )
        return await self._enrolled(request, enrolled, "passkey")

    async def remove_passkey(self, request: web.Request) -> web.Response:
        """Forget a passkey."""
        session = self._owner(request, Standing.FULL)
        await self._enrolments.remove_passkey(presented_cookie(request), request.match_info["id"])
        await self._entrance.record(request, session, "factor.remove", kind="passkey")
        return web.Response(status=204)

    async def recovery_codes(self, request: web.Request) -> web.Response:
        """Make new codes."""
        session = self._owner(request, Standing.FULL)
        codes = await self._enrolments.recovery_codes(presented_cookie(request))
        await self._entrance.record(request, session, "factor.add", kind="recovery")
        return answer(RecoveryCodesModel(recovery_codes=codes))

    def _owner(self, request: web.Request, *standings: Standing) -> Session:
        session = require_session(request, *standings)
        require_proof(self._entrance, session)
        return session

    async def _enrolled(self, request: web.Request, enrolled: Enrolled, kind: str) -> web.Response:
        opened = enrolled.opened
        await self._entrance.record(request, opened.session, "factor.add", kind=kind)
        response = answer(RecoveryCodesModel(recovery_codes=enrolled.recovery_codes))
        set_session(self._entrance.doors.sessions, request, response, opened)
        return response


def _ceremony(ceremony: Ceremony) -> web.Response:
    return answer(CeremonyModel(ticket=ceremony.ticket, options=json.loads(ceremony.options)))
