"""The first administrator: a link that works once, because nobody has a password yet.

The server asks for a token at each start while nobody administers, and prints it; the one before then counts
no more. Whoever presents it chooses a name and a password and is put in charge, all in one transaction.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.accounts.accounts import Account, Accounts
from auth.errors import TokenExpired, TokenInvalid
from auth.factors.passwords import Passwords
from auth.permissions.principals import Kind
from auth.storage.schema import bump
from auth.storage.tables import setup_tokens
from auth.vault.comparing import same_secret
from auth.vault.digests import digest

VALID_S = 24 * 3600.0


class Setup:
    """Puts the first administrator in charge.

    Args:
        engine: the database.
        accounts: where the account is made.
        passwords: where its password is kept.
        has_administrator: whether anybody administers.
        promote: gives a principal everything, in the transaction it is handed.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        accounts: Accounts,
        passwords: Passwords,
        *,
        has_administrator: Callable[[AsyncConnection], Awaitable[bool]],
        promote: Callable[[AsyncConnection, str], Awaitable[None]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._accounts = accounts
        self._passwords = passwords
        self._has_administrator = has_administrator
        self._promote = promote
        self._clock = clock

    async def issue(self) -> str | None:
        """A new token, good for `VALID_S`; None when somebody administers already. For each start."""
        async with self._engine.begin() as connection:
            await connection.execute(delete(setup_tokens))
            if await self._has_administrator(connection):
                return None
            token = secrets.token_urlsafe(32)
            await connection.execute(
                insert(setup_tokens).values(id=1, hash=digest(token), expires_at=self._clock() + VALID_S)
            )
        return token

    async def check(self, token: str) -> None:
        """Whether a token would do now, for who shows the form.

        Raises:
            TokenInvalid: it is not the present one, or somebody administers already.
            TokenExpired: the server must be started again to print another.
        """
        async with self._engine.connect() as connection:
            await self._check(connection, token)

    async def redeem(self, token: str, name: str, password: str) -> Account:
        """Make the first administrator. Nothing is used up by a name or password that will not do.

        Raises:
            TokenInvalid, TokenExpired: as `check`.
            PasswordRefused: another password is needed.
            AccountConflict: another name is needed.
        """
        # First, so that nobody makes the server hash passwords without one.
        await self.check(token)
        self._passwords.check(password, name)
        hashed = await self._passwords.hashed(password)
        async with self._engine.begin() as connection:
            # The lock: of two who present it at once, one comes second and finds it used.
            await bump(connection)
            await self._check(connection, token)
            account = await self._accounts.create(Kind.USER, name, connection=connection)
            await self._passwords.store(account.id, hashed, connection=connection)
            await self._promote(connection, account.id)
            await connection.execute(delete(setup_tokens))
        return account

    async def _check(self, connection: AsyncConnection, token: str) -> None:
        record = (await connection.execute(select(setup_tokens))).one_or_none()
        if record is None or not same_secret(digest(token), record.hash):
            raise TokenInvalid("it is not the present set-up link")
        if await self._has_administrator(connection):
            raise TokenInvalid("somebody administers this server already")
        if self._clock() >= record.expires_at:
            raise TokenExpired("it has expired; starting the server again prints another")
