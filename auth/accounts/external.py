"""People whom a directory or an identity provider vouches for.

An account here belongs to one of theirs by what they say never changes (a subject, an entry's id), not by its
name: who manages to be called `admin` over there does not become ours. A first login makes an account, when
that is wanted; an administrator can also link one that is here already.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.accounts.accounts import Accounts, check_name, folded
from auth.accounts.groups import Groups
from auth.errors import AccountConflict, BadCredentials, NoSuchPrincipal
from auth.permissions.principals import Kind, Principal
from auth.storage.schema import bump
from auth.storage.tables import MAX_NAME_CHARACTERS, identities, principals

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody as others describe them.

    Attributes:
        provider: who says so, as "ldap", "oidc:google"; the source of memberships.
        subject: what never changes and is unique there.
        name: what they would like to be called.
        groups: names of our groups, after mapping; None when nothing was said about groups.
    """

    provider: str
    subject: str
    name: str
    full_name: str = ""
    email: str = ""
    groups: frozenset[str] | None = field(default=None)


class External:
    """Accounts that belong to identities elsewhere.

    Args:
        engine: the database.
        accounts: where accounts are made.
        groups: where memberships are kept.
    """

    def __init__(self, engine: AsyncEngine, accounts: Accounts, groups: Groups) -> None:
        self._engine = engine
        self._accounts = accounts
        self._groups = groups

    async def arrive(self, arrival: Arrival, *, create: bool) -> Principal:
        """Who this is here, with what is newly said about them written down.

        Raises:
            BadCredentials: nobody, or a disabled account, or no account and none is to be made.
            AccountConflict: no free name could be made of theirs.
        """
        async with self._engine.begin() as connection:
            principal_id = await _linked(connection, arrival)
            if principal_id is None:
                if not create:
                    raise BadCredentials(
                        "there is no account here for this one; an administrator can make it"
                    )
                principal_id = await self._make(connection, arrival)
            try:
                await self._accounts.principal(principal_id, connection=connection)
            except NoSuchPrincipal:
                raise BadCredentials from None
            await self._describe(connection, principal_id, arrival)
            if arrival.groups is not None:
                await self._follow(connection, principal_id, arrival.provider, arrival.groups)
            return await self._accounts.principal(principal_id, connection=connection)

    async def link(self, principal_id: str, provider: str, subject: str) -> None:
        """Let an account be entered by an identity elsewhere.

        Raises:
            NoSuchPrincipal
            AccountConflict: that identity enters another account.
        """
        if (await self._accounts.account(principal_id)).kind is not Kind.USER:
            raise AccountConflict("only users log in elsewhere")
        try:
            async with self._engine.begin() as connection:
                await _link(connection, principal_id, provider, subject)
        except IntegrityError:
            raise AccountConflict("this identity belongs to an account already") from None

    async def unlink(self, principal_id: str, provider: str) -> None:
        """Let an account not be entered from there any more; memberships from there end."""
        async with self._engine.begin() as connection:
            await connection.execute(
                delete(identities).where(
                    identities.c.principal_id == principal_id, identities.c.provider == provider
                )
            )
            await self._groups.follow(connection, principal_id, provider, ())

    async def providers_of(self, principal_id: str) -> frozenset[str]:
        """Who vouches for an account."""
        wanted = select(identities.c.provider).where(identities.c.principal_id == principal_id)
        async with self._engine.connect() as connection:
            return frozenset((await connection.execute(wanted)).scalars())

    async def _make(self, connection: AsyncConnection, arrival: Arrival) -> str:
        # The lock: of two first logins at once, the second finds what the first made.
        await bump(connection)
        principal_id = await _linked(connection, arrival)
        if principal_id is not None:
            return principal_id
        name = await self._free_name(connection, arrival)
        account = await self._accounts.create(Kind.USER, name, connection=connection)
        await _link(connection, account.id, arrival.provider, arrival.subject)
        _log.info("%s came for the first time, from %s", account.name, arrival.provider)
        return account.id

    async def _free_name(self, connection: AsyncConnection, arrival: Arrival) -> str:
        origin = arrival.provider.rpartition(":")[2]
        for candidate in (arrival.name, f"{arrival.name}@{origin}"):
            try:
                name = check_name(candidate[:MAX_NAME_CHARACTERS])
            except AccountConflict:
                continue
            if await _called(connection, name) is None:
                return name
        raise AccountConflict(f"no free name can be made of {arrival.name[:MAX_NAME_CHARACTERS]!r}")

    async def _describe(self, connection: AsyncConnection, principal_id: str, arrival: Arrival) -> None:
        said = {"full_name": arrival.full_name[:256], "email": arrival.email[:320]}
        values = {key: value for key, value in said.items() if value}
        if values:
            await connection.execute(
                update(principals).where(principals.c.id == principal_id).values(**values)
            )

    async def _follow(
        self, connection: AsyncConnection, principal_id: str, provider: str, names: frozenset[str]
    ) -> None:
        ids: set[str] = set()
        for name in sorted(names):
            group = await _called(connection, name)
            if group is None:
                await bump(connection)  # the lock, as above
                group = await _called(connection, name)
            if group is None:
                ids.add((await self._accounts.create(Kind.GROUP, name, connection=connection)).id)
            elif group.kind == Kind.GROUP:
                ids.add(group.id)
            else:
                _log.warning("%s is mapped to the group %r, which is no group", provider, name)
        try:
            async with connection.begin_nested():
                await self._groups.follow(connection, principal_id, provider, ids)
        except AccountConflict as error:
            # Better an administrator too many than a server that nobody can administer.
            _log.warning("%s would take the last administrator out of a group: %s", provider, error)


async def _link(connection: AsyncConnection, principal_id: str, provider: str, subject: str) -> None:
    await connection.execute(
        insert(identities).values(provider=provider, subject=subject, principal_id=principal_id)
    )


async def _linked(connection: AsyncConnection, arrival: Arrival) -> str | None:
    wanted = select(identities.c.principal_id).where(
        identities.c.provider == arrival.provider, identities.c.subject == arrival.subject
    )
    return (await connection.execute(wanted)).scalar_one_or_none()


async def _called(connection: AsyncConnection, name: str) -> Row[str, str] | None:
    wanted = select(principals.c.id, principals.c.kind).where(principals.c.folded == folded(name))
    return (await connection.execute(wanted)).one_or_none()
