"""What all of administration shares: the registers it keeps, who asks, and what is written about it."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.access.authority import Authority
from auth.access.holder import Holder
from auth.access.permit import Permit
from auth.accounts.accounts import Account, Accounts
from auth.accounts.api_keys import ApiKeys
from auth.accounts.groups import Groups
from auth.accounts.invitations import Invitations
from auth.errors import AuthError, Forbidden, NoSuchPrincipal
from auth.permissions.actions import Action
from auth.permissions.directory import Directory
from auth.permissions.principals import Kind
from auth.signin.sessions import Sessions
from auth.tokens.tokens import SERVER
from auth.vault.vault import Vault
from streamer.web.access import Access, presented
from streamer.web.administration import models
from streamer.web.ledger import Ledger
from streamer.web.origin import client_address, is_https

#: What answers that show a secret once carry.


@dataclass(frozen=True)
class Registers:
    """Where it is kept who may do what.

    Attributes:
        directory: reads who there is now.
        clock: seconds since 1970.
    """

    engine: AsyncEngine
    vault: Vault
    authority: Authority
    accounts: Accounts
    groups: Groups
    sessions: Sessions
    api_keys: ApiKeys
    invitations: Invitations
    directory: Callable[[], Awaitable[Directory]]
    clock: Callable[[], float]


@dataclass(frozen=True)
class Office:
    """Who may administer is asked of `access`; what was done is told to `ledger`.

    Attributes:
        origin: under which this server is known, where that is configured; see `base_url`.
    """

    registers: Registers
    access: Access
    ledger: Ledger
    origin: str = ""

    async def in_charge(self, request: web.Request) -> Permit:
        """Let only those through who may change who may do what, which support access does not give.

        Raises:
            AuthError: anybody else.
        """
        permit = await self.access.require_admin(request)
        if permit.support:
            raise Forbidden(Action.ADMIN, why="support access changes nobody's rights")
        return permit

    async def administers(self, request: web.Request) -> tuple[Permit, Holder]:
        """Let those through who administer the server, or a few streams of it.

        Raises:
            AuthError: anybody else.
        """
        holder = self._holder(request)
        stream = self._somewhere(holder, Action.ADMIN)
        permit = await self.access.require_admin(request, stream)
        assert holder is not None
        return permit, holder

    async def manages(self, request: web.Request) -> tuple[Permit, Holder]:
        """Let those through who manage the server, or a few streams of it.

        Raises:
            AuthError: anybody else.
        """
        holder = self._holder(request)
        permit = await self.access.require_manage(request, self._somewhere(holder, Action.MANAGE))
        assert holder is not None
        return permit, holder

    async def changed(
        self, request: web.Request, permit: Permit, what: str, target: str, /, **details: object
    ) -> None:
        """Keep what somebody changed, and have it count here before he is answered."""
        await self.ledger.changed(request, permit, what, target, **details)
        # The change is made. Should the database not answer now, it counts when that is looked at next.
        with contextlib.suppress(AuthError, SQLAlchemyError):
            await self.registers.authority.refresh()

    def _holder(self, request: web.Request) -> Holder | None:
        """Who asks; None for one whom the door will refuse, and keep that it did."""
        credential = presented(request)
        try:
            return self.registers.authority.identify(credential, client_address(request))
        except AuthError:
            return None

    def _somewhere(self, holder: Holder | None, action: Action) -> str:
        if holder is None:
            return ""
        return holder.somewhere(self.registers.authority.snapshot, action, self.registers.clock())

    async def account(self, id_or_name: str, *kinds: Kind) -> Account:
        """Of an id, or else of a name.

        Raises:
            NoSuchPrincipal: there is none, or it is of another kind.
        """
        accounts = self.registers.accounts
        try:
            found = await accounts.account(id_or_name)
        except NoSuchPrincipal:
            found = await accounts.named(id_or_name)
        if kinds and found.kind not in kinds:
            raise NoSuchPrincipal(id_or_name)
        return found

    def base_url(self, request: web.Request) -> str:
        """Where this server is, for links that are passed on: as configured, else as the asker found it."""
        return self.origin or f"{'https' if is_https(request) else 'http'}://{request.host}"

    async def names(self) -> Names:
        """How everybody is called now."""
        return Names({each.id: each for each in await self.registers.accounts.everybody()})


class Names:
    """From ids to names, for lists."""

    def __init__(self, accounts: dict[str, Account]) -> None:
        self._accounts = accounts

    def of(self, principal_id: str) -> str:
        """What somebody is called; "" when that is not known."""
        if principal_id == SERVER:
            return "this machine"
        account = self._accounts.get(principal_id)
        return "" if account is None else account.name

    def named(self, principal_id: str) -> models.NamedModel | None:
        """As lists show somebody; None for one who is gone."""
        account = self._accounts.get(principal_id)
        return None if account is None else named(account)


def named(account: Account) -> models.NamedModel:
    """As lists show an account."""
    return models.NamedModel(id=account.id, name=account.name, kind=account.kind)
