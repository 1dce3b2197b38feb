"""Setting up second factors from within a session, and taking them away again.

Whoever has just shown that a new factor works has shown two: the session gets a new cookie and counts as
such, and with the first factor come recovery codes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from auth.errors import AccountConflict
from auth.factors.ceremonies import Ceremony
from auth.factors.factors import PASSKEY, TOTP, Factors
from auth.factors.totp import Enrolment
from auth.permissions.principals import Principal
from auth.signin.session_records import OpenedSession
from auth.signin.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A factor that works from now on.

    Attributes:
        opened: the session with its new cookie.
        recovery_codes: to be shown once; empty when there are some already.
    """

    opened: OpenedSession
    recovery_codes: list[str] = field(repr=False)


class Enrolments:
    """What the account page does about second factors.

    Args:
        factors: where they are kept.
        sessions: whose they are.
    """

    def __init__(self, factors: Factors, sessions: Sessions) -> None:
        self._factors = factors
        self._sessions = sessions

    async def begin_totp(self, cookie: str) -> Enrolment:
        """A seed for an authenticator app.

        Raises:
            TokenInvalid, TokenExpired: there is no session.
            AccountConflict: the second factor that is there must be shown first.
        """
        principal = await self._owner(cookie)
        return await self._factors.totp.begin(principal.id, principal.name)

    async def finish_totp(self, cookie: str, code: str) -> Enrolled:
        """Use the app, one of whose codes this is.

        Raises:
            BadCredentials: it is none.
            TokenInvalid, TokenExpired, AccountConflict: as `begin_totp`.
        """
        principal = await self._owner(cookie)
        await self._factors.totp.confirm(principal.id, code)
        return await self._enrolled(cookie, principal.id)

    async def begin_passkey(self, cookie: str) -> Ceremony:
        """Options for making a passkey.

        Raises:
            TokenInvalid, TokenExpired, AccountConflict: as `begin_totp`.
        """
        principal = await self._owner(cookie)
        return await self._factors.passkeys.begin_registration(principal.id, principal.name)

    async def finish_passkey(self, cookie: str, ticket: str, answer: str, label: str = "") -> Enrolled:
        """Keep a passkey.

        Raises:
            BadCredentials: the browser's answer does not fit.
            TokenInvalid, TokenExpired, AccountConflict: as `begin_totp`, or it is registered already.
        """
        principal = await self._owner(cookie)
        await self._factors.passkeys.finish_registration(ticket, principal.id, answer, label)
        return await self._enrolled(cookie, principal.id)

    async def recovery_codes(self, cookie: str) -> list[str]:
        """New codes in place of what is left.

        Raises:
            TokenInvalid, TokenExpired, AccountConflict: as `begin_totp`, or there is no factor yet.
        """
        principal = await self._owner(cookie)
        if not await self._factors.enrolled(principal.id):
            raise AccountConflict("recovery codes stand in for a second factor; set one up first")
        return await self._factors.recovery.issue(principal.id)

    async def remove_totp(self, cookie: str) -> None:
        """Forget the app.

        Raises:
            AccountConflict: a second factor is required and this is the only one.
            TokenInvalid, TokenExpired: there is no session.
        """
        principal = await self._owner(cookie)
        await self._refuse_last(cookie, TOTP)
        await self._factors.totp.remove(principal.id)

    async def remove_passkey(self, cookie: str, passkey_id: str) -> None:
        """Forget a passkey.

        Raises:
            NoSuchPrincipal: the account has no such passkey.
            AccountConflict: a second factor is required and this is the only one.
            TokenInvalid, TokenExpired: there is no session.
        """
        principal = await self._owner(cookie)
        if len(await self._factors.passkeys.passkeys_of(principal.id)) == 1:
            await self._refuse_last(cookie, PASSKEY)
        await self._factors.passkeys.remove(principal.id, passkey_id)

    async def _owner(self, cookie: str) -> Principal:
        session = await self._sessions.authenticate(cookie)
        # Else a password alone, in a session from before, would be enough to bring a factor of one's own.
        if not session.record.with_factor and await self._factors.enrolled(session.principal.id):
            raise AccountConflict("show the second factor that is there first")
        return session.principal

    async def _refuse_last(self, cookie: str, factor: str) -> None:
        principal = (await self._sessions.authenticate(cookie)).principal
        others = await self._factors.enrolled(principal.id) & {TOTP, PASSKEY} - {factor}
        if not others and await self._factors.required(principal):
            raise AccountConflict("a group of yours requires a second factor; set up another one first")

    async def _enrolled(self, cookie: str, principal_id: str) -> Enrolled:
        codes: list[str] = []
        if not await self._factors.recovery.left(principal_id):
            codes = await self._factors.recovery.issue(principal_id)
        return Enrolled(await self._sessions.renew(cookie, with_factor=True), codes)
