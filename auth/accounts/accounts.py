"""Users, service accounts and groups: made, named, switched off, removed.

Who is in which group is `auth.accounts.groups`, what proves who somebody is `auth.factors` and
`auth.accounts.api_keys`. What changes who may do what bumps the generation, first thing in its transaction:
the row it writes is the lock that lets one such change happen after the other.
"""

from __future__ import annotations

import secrets
import time
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, false, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.accounts.groups import groups_above
from auth.accounts.succession import IsLastAdministrator, somebody_stays
from auth.errors import AccountConflict, NoSuchPrincipal
from auth.permissions.principals import ANONYMOUS, Kind, Principal
from auth.storage.schema import bump
from auth.storage.tables import ID_CHARACTERS, MAX_NAME_CHARACTERS, principals
from auth.storage.transactions import within

# Separators in addresses, credentials and lists, all places where names turn up.
_NOT_IN_NAMES = frozenset("/\\:,;\"'<>*?#%&")
_MAX_FULL_NAME_CHARACTERS = 256
_MAX_EMAIL_CHARACTERS = 320


@dataclass(frozen=True, slots=True)
class Account:
    """A user, a service account or a group, as administrators see it.

    Attributes:
        factor_required: groups only; whoever is in it needs a second factor.
        created_at: seconds since 1970.
    """

    id: str
    kind: Kind
    name: str
    full_name: str
    email: str
    disabled: bool
    factor_required: bool
    created_at: float


def folded(name: str) -> str:
    """A name as it is compared: neither case nor the way its letters are encoded make another one of it."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def check_name(name: str) -> str:
    """A name as it is kept.

    Raises:
        AccountConflict: it cannot be one; says what was expected.
    """
    name = unicodedata.normalize("NFC", name)
    expected = None
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        expected = f"expected 1-{MAX_NAME_CHARACTERS} characters, these are {len(name)}"
    elif not name.isprintable() or _NOT_IN_NAMES & set(unicodedata.normalize("NFKC", name)):
        expected = f"expected printable characters without {' '.join(sorted(_NOT_IN_NAMES))}"
    elif name != " ".join(name.split()):
        expected = "expected single spaces, and none at either end"
    elif folded(name) == ANONYMOUS.name:
        expected = "that is what somebody unknown is called"
    if expected is not None:
        raise AccountConflict(f"{name[:MAX_NAME_CHARACTERS]!r} cannot be a name: {expected}")
    return name


class Accounts:
    """All accounts and groups of a database.

    Args:
        engine: the database.
        is_last_administrator: see `auth.accounts.succession`.
        clock: seconds since 1970.

    Attributes:
        on_delete: called with a principal's id in the transaction that deletes it; what hangs on it goes too.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        is_last_administrator: IsLastAdministrator,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._is_last_administrator = is_last_administrator
        self._clock = clock
        self.on_delete: list[Callable[[AsyncConnection, str], Awaitable[None]]] = []

    async def create(
        self,
        kind: Kind,
        name: str,
        *,
        full_name: str = "",
        email: str = "",
        connection: AsyncConnection | None = None,
    ) -> Account:
        """Make a user, a service account or a group. It can do nothing yet.

        Raises:
            AccountConflict: the name is taken, or cannot be one.
        """
        account = Account(
            id=secrets.token_hex(ID_CHARACTERS // 2),
            kind=kind,
            name=check_name(name),
            full_name=full_name[:_MAX_FULL_NAME_CHARACTERS],
            email=email[:_MAX_EMAIL_CHARACTERS],
            disabled=False,
            factor_required=False,
            created_at=self._clock(),
        )
        values = {field: getattr(account, field) for field in Account.__slots__}
        async with within(self._engine, connection) as connection:
            # A token in its name is told from one of somebody who is gone.
            await bump(connection)
            await _taking_a_name(
                connection, insert(principals).values(**values, folded=folded(account.name)), name
            )
        return account

    async def rename(self, principal_id: str, name: str) -> None:
        """Give another name; the id, and everything that hangs on it, stays.

        Raises:
            NoSuchPrincipal, AccountConflict: the name is taken, or cannot be one.
        """
        name = check_name(name)
        async with self._engine.begin() as connection:
            await bump(connection)
            await _record(connection, principals.c.id == principal_id, principal_id)
            change = update(principals).where(principals.c.id == principal_id)
            await _taking_a_name(connection, change.values(name=name, folded=folded(name)), name)

    async def describe(
        self, principal_id: str, *, full_name: str | None = None, email: str | None = None
    ) -> None:
        """Set what people read about an account; "" erases, None leaves.

        Raises:
            NoSuchPrincipal
        """
        values: dict[str, str] = {}
        if full_name is not None:
            values["full_name"] = full_name[:_MAX_FULL_NAME_CHARACTERS]
        if email is not None:
            values["email"] = email[:_MAX_EMAIL_CHARACTERS]
        if values:
            await self._change(principal_id, **values)

    async def require_factor(self, group_id: str, required: bool) -> None:
        """Say whether everybody in a group needs a second factor.

        Raises:
            NoSuchPrincipal: there is no such group.
        """
        async with self._engine.begin() as connection:
            await bump(connection)
            is_it = (principals.c.id == group_id) & (principals.c.kind == Kind.GROUP)
            await _record(connection, is_it, group_id)
            await connection.execute(
                update(principals).where(principals.c.id == group_id).values(factor_required=required)
            )

    async def disable(self, principal_id: str) -> None:
        """Switch an account off, or a group, whose members then have nothing by it. Nothing is lost.

        Raises:
            NoSuchPrincipal
            AccountConflict: nobody could administer any more.
        """
        async with self._engine.begin() as connection:
            await bump(connection)
            await _record(connection, principals.c.id == principal_id, principal_id)
            async with somebody_stays(connection, self._is_last_administrator, principal_id, goes=True):
                await connection.execute(
                    update(principals).where(principals.c.id == principal_id).values(disabled=True)
                )

    async def enable(self, principal_id: str) -> None:
        """Switch on again.

        Raises:
            NoSuchPrincipal
        """
        await self._change(principal_id, disabled=False)

    async def delete(self, principal_id: str) -> None:
        """Remove an account or group with everything that hangs on it: proofs, sessions, memberships.

        Raises:
            NoSuchPrincipal
            AccountConflict: nobody could administer any more.
        """
        async with self._engine.begin() as connection:
            await bump(connection)
            await _record(connection, principals.c.id == principal_id, principal_id)
            async with somebody_stays(connection, self._is_last_administrator, principal_id, goes=True):
                for forget in self.on_delete:
                    await forget(connection, principal_id)
                await connection.execute(delete(principals).where(principals.c.id == principal_id))

    async def account(self, principal_id: str, *, connection: AsyncConnection | None = None) -> Account:
        """By id, also when it is disabled.

        Raises:
            NoSuchPrincipal
        """
        if connection is None:
            async with self._engine.connect() as own:
                return await self.account(principal_id, connection=own)
        return _account(await _record(connection, principals.c.id == principal_id, principal_id))

    async def named(self, name: str) -> Account:
        """By name, in any case, also when it is disabled.

        Raises:
            NoSuchPrincipal
        """
        async with self._engine.connect() as connection:
            return _account(await _record(connection, _is_called(name), name))

    async def everybody(self, kind: Kind | None = None) -> list[Account]:
        """All accounts and groups, or those of one kind, by name."""
        wanted = select(principals).order_by(principals.c.folded)
        if kind is not None:
            wanted = wanted.where(principals.c.kind == kind)
        async with self._engine.connect() as connection:
            return [_account(record) for record in await connection.execute(wanted)]

    async def principal(self, principal_id: str, *, connection: AsyncConnection | None = None) -> Principal:
        """Somebody who can act now, with all groups.

        Raises:
            NoSuchPrincipal: also when it is disabled.
        """
        if connection is None:
            async with self._engine.connect() as own:
                return await self.principal(principal_id, connection=own)
        is_it = (principals.c.id == principal_id) & principals.c.disabled.is_(False)
        return await _principal(connection, await _record(connection, is_it, principal_id))

    async def find(self, name: str) -> Principal:
        """By name, for who wants to grant something or ask about it; also when it is disabled.

        Raises:
            NoSuchPrincipal
        """
        async with self._engine.connect() as connection:
            record = await _record(connection, _is_called(name), name)
            return await _principal(connection, record)

    async def _change(self, principal_id: str, **values: Any) -> None:
        async with self._engine.begin() as connection:
            await bump(connection)
            await _record(connection, principals.c.id == principal_id, principal_id)
            await connection.execute(
                update(principals).where(principals.c.id == principal_id).values(**values)
            )


def _is_called(name: str) -> Any:
    """Whoever has a name that was typed somewhere: it may be anything, also what no database takes."""
    if len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        return false()
    return principals.c.folded == folded(name)


async def _record(connection: AsyncConnection, condition: Any, called: str) -> Row[Any]:
    record = (await connection.execute(select(principals).where(condition))).one_or_none()
    if record is None:
        raise NoSuchPrincipal(called)
    return record


async def _taking_a_name(connection: AsyncConnection, statement: Any, name: str) -> None:
    try:
        await connection.execute(statement)
    except IntegrityError:
        raise AccountConflict(f"the name {name!r} is taken") from None


async def _principal(connection: AsyncConnection, record: Row[Any]) -> Principal:
    return Principal(record.id, Kind(record.kind), record.name, await groups_above(connection, record.id))


def _account(record: Row[Any]) -> Account:
    values = {field: getattr(record, field) for field in Account.__slots__}
    return Account(**(values | {"kind": Kind(record.kind)}))
