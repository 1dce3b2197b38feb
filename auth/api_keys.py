"""Keys of service accounts: what encoders and integrations present.

A key is `sk_<prefix>_<secret>`. The prefix finds the record and may be shown; the whole is shown once, when
it is made, and kept as a hash.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.accounts import Accounts
from auth.digests import digest
from auth.errors import AccountConflict, BadCredentials, NoSuchPrincipal
from auth.freshness import Freshness, Remembered
from auth.principals import Kind, Principal
from auth.schema import bump
from auth.secrets import same_secret
from auth.tables import api_keys

_MARK = "sk"
# When a key was last used is written this often.
_NOTE_EVERY_S = 60.0
_MAX_LABEL_CHARACTERS = 128
_WRONG = "this key does not count"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is listed; times in seconds since 1970."""

    prefix: str
    principal_id: str
    label: str
    created_at: float
    expires_at: float | None
    used_at: float | None


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key just made. `key` is the secret; nobody can show it again."""

    prefix: str
    key: str = field(repr=False)


@dataclass(slots=True)
class _Known:
    principal: Principal
    prefix: str
    expires_at: float | None
    noted_at: float


class ApiKeys:
    """All keys of a database.

    Args:
        engine: the database.
        accounts: whose keys they are.
        freshness: tells when to look again.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        accounts: Accounts,
        freshness: Freshness,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._accounts = accounts
        self._freshness = freshness
        self._clock = clock
        self._known: Remembered[_Known] = Remembered()

    async def issue(self, service_id: str, label: str = "", *, expires_at: float | None = None) -> IssuedKey:
        """Make a key for a service account.

        Args:
            service_id: whose.
            label: what it is for, for people.
            expires_at: seconds since 1970; None for never.

        Raises:
            NoSuchPrincipal
            AccountConflict: that is no service account; people log in.
        """
        if (await self._accounts.account(service_id)).kind is not Kind.SERVICE:
            raise AccountConflict("only service accounts have API keys")
        prefix = secrets.token_hex(6)
        key = f"{_MARK}_{prefix}_{secrets.token_urlsafe(32)}"
        async with self._engine.begin() as connection:
            await connection.execute(
                insert(api_keys).values(
                    prefix=prefix,
                    principal_id=service_id,
                    hash=digest(key),
                    label=label[:_MAX_LABEL_CHARACTERS],
                    created_at=self._clock(),
                    expires_at=expires_at,
                )
            )
        return IssuedKey(prefix, key)

    async def keys(self, service_id: str) -> list[ApiKey]:
        """The keys of an account, oldest first."""
        wanted = select(*(api_keys.c[name] for name in ApiKey.__slots__))
        async with self._engine.connect() as connection:
            found = await connection.execute(
                wanted.where(api_keys.c.principal_id == service_id).order_by(api_keys.c.created_at)
            )
            return [ApiKey(*record) for record in found]

    async def revoke(self, prefix: str) -> None:
        """Make a key worthless.

        Raises:
            NoSuchPrincipal: there is none with this prefix.
        """
        async with self._engine.begin() as connection:
            await bump(connection)
            removed = await connection.execute(delete(api_keys).where(api_keys.c.prefix == prefix))
            if not removed.rowcount:
                raise NoSuchPrincipal(prefix)
        self._freshness.doubt()

    async def authenticate(self, key: str) -> Principal:
        """Whose key this is.

        Raises:
            BadCredentials: nobody's, or it has expired, or its account is disabled.
            AuthUnavailable: the database does not answer.
        """
        hashed = digest(key)
        generation = await self._freshness.generation()
        known = self._known.recall(hashed, generation)
        if known is None:
            known = await self._look_up(key, hashed)
            self._known.keep(hashed, generation, known)
        now = self._clock()
        if known.expires_at is not None and now >= known.expires_at:
            raise BadCredentials(_WRONG)
        if now - known.noted_at >= _NOTE_EVERY_S:
            known.noted_at = now
            async with self._engine.begin() as connection:
                await connection.execute(
                    update(api_keys).where(api_keys.c.prefix == known.prefix).values(used_at=now)
                )
        return known.principal

    async def _look_up(self, key: str, hashed: str) -> _Known:
        mark, _, rest = key.partition("_")
        prefix = rest.partition("_")[0]
        # A lone surrogate is no prefix, and no database takes it for text.
        if mark != _MARK or not prefix.isascii() or not prefix.isalnum():
            raise BadCredentials(_WRONG)
        async with self._engine.connect() as connection:
            wanted = select(api_keys).where(api_keys.c.prefix == prefix)
            record = (await connection.execute(wanted)).one_or_none()
            if record is None or not same_secret(hashed, record.hash):
                raise BadCredentials(_WRONG)
            try:
                principal = await self._accounts.principal(record.principal_id, connection=connection)
            except NoSuchPrincipal:
                raise BadCredentials(_WRONG) from None
        return _Known(principal, prefix, record.expires_at, record.used_at or 0.0)
