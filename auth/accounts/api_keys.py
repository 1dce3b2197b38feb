"""Keys of service accounts: what encoders and integrations present.

A key is `sk_<prefix>_<secret>`. The prefix finds the record and may be shown; the whole is shown once, when
it is made, and kept as a hash. Whose a presented one is, `auth.permissions.directory` knows from memory.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.accounts.accounts import Accounts
from auth.errors import AccountConflict, NoSuchPrincipal
from auth.permissions.credentials import API_KEY_MARK
from auth.permissions.principals import Kind
from auth.storage.schema import bump
from auth.storage.tables import api_keys
from auth.vault.digests import digest

_MAX_LABEL_CHARACTERS = 128


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


class ApiKeys:
    """All keys of a database.

    Args:
        engine: the database.
        accounts: whose keys they are.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        accounts: Accounts,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._accounts = accounts
        self._clock = clock

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
        key = f"{API_KEY_MARK}{prefix}_{secrets.token_urlsafe(32)}"
        async with self._engine.begin() as connection:
            await bump(connection)
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

    async def note_used(self, used: Mapping[str, float]) -> None:
        """Write down when keys were used last.

        Args:
            used: by prefix, in seconds since 1970.
        """
        async with self._engine.begin() as connection:
            for prefix, at in used.items():
                await connection.execute(
                    update(api_keys).where(api_keys.c.prefix == prefix).values(used_at=at)
                )
