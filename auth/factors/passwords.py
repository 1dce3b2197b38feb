"""Passwords: argon2id in worker threads, a few at a time.

A login costs tens of megabytes and tens of milliseconds on purpose. That work is bounded, so that nobody can
eat the machine by trying passwords, and it is the same for accounts that do not exist.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.errors import AuthUnavailable, PasswordRefused
from auth.factors.guessable import why_guessable
from auth.storage.tables import passwords
from auth.storage.transactions import within

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """What a password must be, and what hashing one costs.

    The cost is that of RFC 9106, section 4, for machines without gigabytes to spare.

    Attributes:
        concurrent: how many are hashed at the same time.
        max_waiting: how many wait for their turn; more are told to come back.
    """

    min_characters: int = 12
    max_characters: int = 1024
    time_cost: int = 3
    memory_kib: int = 65_536
    parallelism: int = 4
    concurrent: int = 2
    max_waiting: int = 64


class Passwords:
    """The passwords of a database's accounts.

    Args:
        engine: the database.
        policy: length and cost; hashes of another cost are renewed at the next login.
        clock: seconds since 1970.

    Attributes:
        computed: how many hashes were computed; a measure of work, the same for every refusal.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        policy: PasswordPolicy | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.policy = policy or PasswordPolicy()
        self._engine = engine
        self._clock = clock
        self._hasher = PasswordHasher(
            time_cost=self.policy.time_cost,
            memory_cost=self.policy.memory_kib,
            parallelism=self.policy.parallelism,
            type=Type.ID,
        )
        self._turns = asyncio.Semaphore(self.policy.concurrent)
        self._waiting = 0
        self._nobodys: str | None = None
        self.computed = 0

    def check(self, password: str, name: str) -> None:
        """Whether a password will do for an account of this name.

        Raises:
            PasswordRefused: says what was expected.
        """
        password = _normalised(password)
        shortest, longest = self.policy.min_characters, self.policy.max_characters
        if not shortest <= len(password) <= longest:
            raise PasswordRefused(f"{shortest}-{longest} characters, these are {len(password)}")
        if (expected := why_guessable(password, name)) is not None:
            raise PasswordRefused(expected)

    async def set(
        self, principal_id: str, name: str, password: str, *, connection: AsyncConnection | None = None
    ) -> None:
        """Give an account a password. Ending its sessions is for the caller.

        Args:
            principal_id: whose.
            name: the account's, which must not be in the password.
            password: as typed.
            connection: a transaction to do it in.

        Raises:
            PasswordRefused: it will not do.
            AuthUnavailable: too many are being hashed.
        """
        self.check(password, name)
        await self.store(principal_id, await self.hashed(password), connection=connection)

    async def hashed(self, password: str) -> str:
        """The hash of a password, for who stores it in a transaction of their own with `store`.

        Raises:
            AuthUnavailable: too many are being hashed.
        """
        return await self._compute(lambda: self._hasher.hash(_normalised(password)))

    async def store(
        self, principal_id: str, hashed: str, *, connection: AsyncConnection | None = None
    ) -> None:
        """Keep what `hashed` gave, after `check`."""
        async with within(self._engine, connection) as connection:
            values = {"hash": hashed, "changed_at": self._clock()}
            of_account = passwords.c.principal_id == principal_id
            changed = await connection.execute(update(passwords).where(of_account).values(values))
            if not changed.rowcount:
                await connection.execute(insert(passwords).values(principal_id=principal_id, **values))

    async def remove(self, principal_id: str) -> None:
        """Let an account have none: it logs in elsewhere, or not at all."""
        async with self._engine.begin() as connection:
            await connection.execute(delete(passwords).where(passwords.c.principal_id == principal_id))

    async def has(self, principal_id: str) -> bool:
        """Whether an account has one."""
        return await self._hash_of(principal_id) is not None

    async def verify(self, principal_id: str | None, password: str) -> bool:
        """Whether this is the account's password; False after the same work when there is no account.

        Raises:
            AuthUnavailable: too many are being hashed, or the database does not answer.
        """
        if len(password) > self.policy.max_characters:
            password = ""  # nobody's; and not worth hashing in full
        found = await self._hash_of(principal_id or "")
        right = await self._compute(lambda: self._matches(found or self._dummy(), _normalised(password)))
        if found is None or not right:
            return False
        assert principal_id is not None
        if self._hasher.check_needs_rehash(found):
            await self.store(principal_id, await self.hashed(password))
        return True

    def _matches(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError) as error:
            raise AuthUnavailable(f"a stored password cannot be checked: {type(error).__name__}") from None

    def _dummy(self) -> str:
        """A hash that no password has; made by the first who needs it, in their thread."""
        if self._nobodys is None:
            self._nobodys = self._hasher.hash(secrets.token_hex(16))
        return self._nobodys

    async def _compute(self, work: Callable[[], _Result]) -> _Result:
        if self._waiting >= self.policy.max_waiting:
            raise AuthUnavailable("too many logins at once; try again in a few seconds")
        self._waiting += 1
        try:
            async with self._turns:
                self.computed += 1
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1

    async def _hash_of(self, principal_id: str) -> str | None:
        async with self._engine.connect() as connection:
            wanted = select(passwords.c.hash).where(passwords.c.principal_id == principal_id)
            return (await connection.execute(wanted)).scalar_one_or_none()


def _normalised(password: str) -> str:
    """The same on every keyboard (NIST SP 800-63B, 3.1.1.2), and encodable whatever a form sent."""
    return unicodedata.normalize("NFKC", password).encode(errors="surrogatepass").decode(errors="replace")
