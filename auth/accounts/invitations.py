"""Links that work once: with one, somebody whom an administrator made an account for chooses a password.

The same for who forgot his, or lost his second factor as well. Nobody ever knows another one's password, and
the old one counts until the link is used: who asks for one in another's name locks nobody out.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Boolean, Column, Double, ForeignKey, Row, String, Table, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.accounts.accounts import Accounts
from auth.errors import AccountConflict, TokenExpired, TokenInvalid
from auth.factors.passwords import Passwords
from auth.permissions.principals import Kind
from auth.storage.schema import bump, metadata
from auth.storage.tables import ID_CHARACTERS, passkeys, recovery_codes, sessions, totp_seeds
from auth.vault.digests import digest

VALID_S = 24 * 3600.0
_UNKNOWN = "this link is unknown, was used, or was replaced by another one"

#: One for each account at most: a new one replaces the one before.
invitations = Table(
    "auth_invitation",
    metadata,
    Column(
        "principal_id",
        String(ID_CHARACTERS),
        ForeignKey("auth_principal.id", ondelete="CASCADE"),
        primary_key=True,
        nullable=False,
    ),
    Column("hash", String(64), nullable=False, unique=True),
    Column("forget_factors", Boolean, nullable=False),
    Column("expires_at", Double, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link's token, which nobody can show again."""

    token: str = field(repr=False)
    expires_at: float


@dataclass(frozen=True, slots=True)
class Invited:
    """Whose a link is.

    Attributes:
        forget_factors: whether the account's second factors go when it is used.
    """

    principal_id: str
    name: str
    forget_factors: bool


async def forget_expired(connection: AsyncConnection, before: float) -> int:
    """Remove links that ended before a time; until then who opens one is told why it does not work."""
    gone = await connection.execute(delete(invitations).where(invitations.c.expires_at < before))
    return int(gone.rowcount)


class Invitations:
    """All links of a database.

    Args:
        engine: the database.
        accounts: whose they are.
        passwords: where what they choose is kept.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        accounts: Accounts,
        passwords: Passwords,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._accounts = accounts
        self._passwords = passwords
        self._clock = clock

    async def issue(self, user_id: str, *, forget_factors: bool = False) -> Invitation:
        """Make a link, good for `VALID_S`; the account's one before counts no more.

        Raises:
            NoSuchPrincipal
            AccountConflict: that is no user, or one who is disabled.
        """
        account = await self._accounts.account(user_id)
        if account.kind is not Kind.USER:
            raise AccountConflict(f"{account.name!r} is a {account.kind}; only users have passwords")
        if account.disabled:
            raise AccountConflict(f"{account.name!r} is disabled; enable it first")
        token, expires_at = secrets.token_urlsafe(32), self._clock() + VALID_S
        async with self._engine.begin() as connection:
            await connection.execute(delete(invitations).where(invitations.c.principal_id == user_id))
            await connection.execute(
                insert(invitations).values(
                    principal_id=user_id,
                    hash=digest(token),
                    forget_factors=forget_factors,
                    expires_at=expires_at,
                )
            )
        return Invitation(token, expires_at)

    async def look(self, token: str) -> Invited:
        """Whose link this is, for who shows the form.

        Raises:
            TokenInvalid: nobody's, or the account is disabled.
            TokenExpired: another one is needed.
        """
        async with self._engine.connect() as connection:
            return await self._invited(connection, token)

    async def redeem(self, token: str, password: str) -> Invited:
        """Give the account this password, and end all its sessions. What will not do uses nothing up.

        Raises:
            PasswordRefused: another password is needed.
            AuthUnavailable: too many are being hashed.
            TokenInvalid, TokenExpired: as `look`.
        """
        # First, so that nobody makes the server hash passwords without a link.
        invited = await self.look(token)
        self._passwords.check(password, invited.name)
        hashed = await self._passwords.hashed(password)
        async with self._engine.begin() as connection:
            # The lock: of two who use it at once, one comes second and finds it used.
            await bump(connection)
            invited = await self._invited(connection, token)
            whose = invited.principal_id
            await self._passwords.store(whose, hashed, connection=connection)
            gone = [invitations, sessions]
            gone += [totp_seeds, recovery_codes, passkeys] if invited.forget_factors else []
            for table in gone:
                await connection.execute(delete(table).where(table.c.principal_id == whose))
        return invited

    async def _invited(self, connection: AsyncConnection, token: str) -> Invited:
        wanted = select(invitations).where(invitations.c.hash == digest(token))
        record: Row[Any] | None = (await connection.execute(wanted)).one_or_none()
        if record is None:
            raise TokenInvalid(_UNKNOWN)
        if self._clock() >= record.expires_at:
            raise TokenExpired("this link has expired; ask for another one")
        account = await self._accounts.account(record.principal_id, connection=connection)
        if account.disabled:
            raise TokenInvalid(_UNKNOWN)
        return Invited(account.id, account.name, record.forget_factors)
