"""Logging in, whole: a name and a password, a second factor, a session.

An unknown name, a wrong password and a disabled account give the same error after the same work. Every try
passes the lock-out first; what was right in the first step of two is not forgotten in favour of who guesses
the second.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from auth.accounts.accounts import Account, Accounts, folded
from auth.accounts.external import Arrival, External
from auth.errors import AuthUnavailable, BadCredentials, FactorNeeded, NoSuchPrincipal
from auth.factors.ceremonies import Ceremony
from auth.factors.factors import Factors, Proof
from auth.factors.passwords import Passwords
from auth.permissions.principals import Kind
from auth.signin.lockout import Attempt, Lockout
from auth.signin.session_records import OpenedSession
from auth.signin.sessions import Sessions
from auth.signin.visitors import Visitor
from auth.storage.pending import Pending
from auth.storage.tables import MAX_NAME_CHARACTERS

TICKET_S = 300.0
_TOO_LATE = "this took too long; begin again with the password"


class Directory(Protocol):
    """Where people have passwords that are not kept here; LDAP."""

    #: Whether a first login makes an account.
    creates: bool

    async def authenticate(self, name: str, password: str) -> Arrival | None:
        """Who this is there; None for a wrong name or password.

        Raises:
            AuthUnavailable: it does not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Half:
    """A login whose first step was right."""

    principal_id: str
    tried: str
    method: str


@dataclass(frozen=True, slots=True)
class Doors:
    """What a login goes through; see the classes."""

    accounts: Accounts
    passwords: Passwords
    factors: Factors
    sessions: Sessions
    lockout: Lockout
    external: External
    directory: Directory | None = None


class Logins:
    """Lets people in.

    Args:
        doors: what a login goes through.
        monotonic: seconds, for the lock-out and for tickets.
    """

    def __init__(self, doors: Doors, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._doors = doors
        self._monotonic = monotonic
        self._halves: Pending[_Half] = Pending(TICKET_S, monotonic=monotonic)

    async def password(
        self, name: str, password: str, visitor: Visitor, proof: Proof | None = None
    ) -> OpenedSession:
        """Log in with a name and a password, and a second factor where there is one.

        Raises:
            FactorNeeded: the password was right; `second_step` takes the ticket and the factor.
            BadCredentials: something was wrong.
            LockedOut: too early after too many failures.
            AuthUnavailable: the database or the directory does not answer, or too many log in.
        """
        tried = folded(name[:MAX_NAME_CHARACTERS])
        attempt = self._doors.lockout.attempt(tried, visitor.address, self._monotonic())
        try:
            principal_id, method = await self._first_step(name, password)
            enrolled = await self._doors.factors.enrolled(principal_id)
            if enrolled and proof is None:
                attempt.withdrawn()
                raise FactorNeeded(enrolled, self._halves.add(_Half(principal_id, tried, method)))
            if enrolled and proof is not None:
                await self._doors.factors.check(principal_id, proof)
        except AuthUnavailable:
            attempt.withdrawn()
            raise
        return await self._let_in(principal_id, visitor, attempt, method, with_factor=bool(enrolled))

    async def second_step(self, ticket: str, proof: Proof, visitor: Visitor) -> OpenedSession:
        """Finish a login by its second factor.

        Raises:
            BadCredentials: the factor was wrong; the ticket stays good for another try, while it is.
            LockedOut, AuthUnavailable: as `password`.
        """
        half = self._halves.see(ticket)
        if half is None:
            raise BadCredentials(_TOO_LATE)
        attempt = self._doors.lockout.attempt(half.tried, visitor.address, self._monotonic())
        try:
            await self._doors.factors.check(half.principal_id, proof)
        except AuthUnavailable:
            attempt.withdrawn()
            raise
        if self._halves.take(ticket) is None:
            raise BadCredentials(_TOO_LATE)
        return await self._let_in(half.principal_id, visitor, attempt, half.method, with_factor=True)

    async def begin_passkey(self, ticket: str | None = None) -> Ceremony:
        """The first half of showing a passkey: instead of name and password, or as the second step.

        Args:
            ticket: of `FactorNeeded`; the answer is then for `second_step`, else for `passkey`.

        Raises:
            BadCredentials: the ticket is not good any more.
        """
        if ticket is None:
            return await self._doors.factors.passkeys.begin_authentication()
        half = self._halves.see(ticket)
        if half is None:
            raise BadCredentials(_TOO_LATE)
        return await self._doors.factors.passkeys.begin_authentication(half.principal_id)

    async def passkey(self, ceremony_ticket: str, answer: str, visitor: Visitor) -> OpenedSession:
        """Log in with a passkey alone.

        Raises:
            BadCredentials, LockedOut, AuthUnavailable: as `password`.
        """
        attempt = self._doors.lockout.attempt(None, visitor.address, self._monotonic())
        try:
            shown = await self._doors.factors.passkeys.finish_authentication(ceremony_ticket, answer)
        except AuthUnavailable:
            attempt.withdrawn()
            raise
        return await self._let_in(shown.principal_id, visitor, attempt, "passkey", with_factor=shown.verified)

    async def vouched(
        self, arrival: Arrival, visitor: Visitor, *, create: bool, with_factor: bool
    ) -> OpenedSession:
        """Log in somebody for whom an identity provider vouches.

        Args:
            arrival: what it says.
            visitor: where they come from.
            create: whether a first login makes an account.
            with_factor: whether it says that two factors were shown; else ours are asked for.

        Raises:
            FactorNeeded: `second_step` takes the ticket and the factor.
            BadCredentials: no account, a disabled one.
            AccountConflict: no free name could be made of theirs.
        """
        principal = await self._doors.external.arrive(arrival, create=create)
        if not with_factor and (enrolled := await self._doors.factors.enrolled(principal.id)):
            half = _Half(principal.id, folded(principal.name), arrival.provider)
            raise FactorNeeded(enrolled, self._halves.add(half))
        return await self._open(principal.id, visitor, arrival.provider, with_factor=with_factor)

    async def confirm(
        self, cookie: str, visitor: Visitor, *, password: str | None = None, proof: Proof | None = None
    ) -> OpenedSession:
        """Prove again who is there, in a session: the password, a factor, or both. The cookie changes.

        Raises:
            TokenInvalid, TokenExpired: there is no session.
            BadCredentials: something was wrong, or nothing was shown.
            LockedOut, AuthUnavailable: as `password`.
        """
        principal = (await self._doors.sessions.authenticate(cookie)).principal
        tried = folded(principal.name)
        attempt = self._doors.lockout.attempt(tried, visitor.address, self._monotonic())
        try:
            if password is None and proof is None:
                raise BadCredentials("expected the password or a second factor")
            if password is not None:
                entered, _ = await self._first_step(principal.name, password)
                if entered != principal.id:
                    raise BadCredentials
            if proof is not None:
                await self._doors.factors.check(principal.id, proof)
        except AuthUnavailable:
            attempt.withdrawn()
            raise
        if proof is None and await self._doors.factors.enrolled(principal.id):
            attempt.withdrawn()  # half of it; a success would let codes be guessed in between
        else:
            attempt.succeeded()
        return await self._doors.sessions.renew(cookie, with_factor=True if proof is not None else None)

    async def change_password(self, cookie: str, visitor: Visitor, *, old: str, new: str) -> OpenedSession:
        """Change one's own password; all other sessions end, and the cookie changes.

        Raises:
            PasswordRefused: the new one will not do.
            TokenInvalid, TokenExpired, BadCredentials, LockedOut, AuthUnavailable: as `confirm`.
        """
        principal = (await self._doors.sessions.authenticate(cookie)).principal
        self._doors.passwords.check(new, principal.name)
        if not await self._doors.passwords.has(principal.id):
            raise BadCredentials("this account has no password here")
        opened = await self.confirm(cookie, visitor, password=old)
        await self._doors.passwords.set(principal.id, principal.name, new)
        await self._doors.sessions.revoke_others(principal.id, opened.session.record.handle)
        return opened

    async def reset_password(self, principal_id: str, new: str) -> None:
        """Set somebody's password, as an administrator; all their sessions end, and delays are forgiven.

        Raises:
            NoSuchPrincipal
            BadCredentials: only users have passwords.
            PasswordRefused, AuthUnavailable
        """
        account = await self._doors.accounts.account(principal_id)
        if account.kind is not Kind.USER:
            raise BadCredentials("only users have passwords")
        await self._doors.passwords.set(account.id, account.name, new)
        await self._doors.sessions.revoke_all(account.id)
        self._doors.lockout.forgive(folded(account.name))

    async def _first_step(self, name: str, password: str) -> tuple[str, str]:
        """Whose name and password these are, and by which method."""
        account: Account | None
        try:
            account = await self._doors.accounts.named(name)
        except NoSuchPrincipal:
            account = None
        usable = account is not None and account.kind is Kind.USER and not account.disabled
        principal_id = account.id if account is not None and usable else None
        if await self._doors.passwords.verify(principal_id, password):
            assert principal_id is not None
            return principal_id, "password"
        directory = self._doors.directory
        # A password here is the only one that counts for its account; nor does a name that is taken by
        # somebody who cannot log in lead anywhere else.
        elsewhere = account is None or (usable and not await self._doors.passwords.has(account.id))
        if directory is None or not elsewhere:
            raise BadCredentials
        arrival = await directory.authenticate(name, password)
        if arrival is None:
            raise BadCredentials
        return (await self._doors.external.arrive(arrival, create=directory.creates)).id, arrival.provider

    async def _let_in(
        self, principal_id: str, visitor: Visitor, attempt: Attempt, method: str, *, with_factor: bool
    ) -> OpenedSession:
        opened = await self._open(principal_id, visitor, method, with_factor=with_factor)
        attempt.succeeded()
        return opened

    async def _open(
        self, principal_id: str, visitor: Visitor, method: str, *, with_factor: bool
    ) -> OpenedSession:
        try:
            return await self._doors.sessions.open(
                principal_id, visitor, method=method, with_factor=with_factor
            )
        except NoSuchPrincipal:
            # Disabled or deleted since the first step.
            raise BadCredentials from None
