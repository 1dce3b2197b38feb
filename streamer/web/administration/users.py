"""Users and service accounts: made, changed, switched off, removed; links to choose a password with."""

from __future__ import annotations

from aiohttp import web

from auth.accounts.accounts import Account
from auth.accounts.roll import Particulars, particulars, particulars_of
from auth.permissions.principals import Kind
from streamer.web.administration import models, requests
from streamer.web.administration.office import Names, Office
from streamer.web.answers import answer
from streamer.web.inputs import read_body
from streamer.web.operations import Operation

#: The page where somebody chooses a password.
INVITATION_PATH = "/invitation"
_KINDS = (Kind.USER, Kind.SERVICE)
_MISSING = {404: "There is no such account"}
_CONFLICT = {409: "The name is taken, or nobody could administer any more"}


class Users:
    """The handlers."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._accounts = office.registers.accounts

    def operations(self) -> list[Operation]:
        """What to route where."""
        all_, one = "/api/v1/users", "/api/v1/users/{id}"
        return [
            Operation(
                "GET",
                all_,
                self.everybody,
                "All users and service accounts",
                returns=models.AccountsModel,
                needs="admin",
            ),
            Operation(
                "POST",
                all_,
                self.create,
                "Make a user or a service account; it can do nothing yet",
                {201: "Made", 400: "A name that cannot be one", **_CONFLICT},
                returns=models.AccountModel,
                takes=requests.NewAccount,
                needs="admin",
            ),
            Operation(
                "GET",
                one,
                self.show,
                "One account, by id or name",
                {200: "The account", **_MISSING},
                returns=models.AccountModel,
                needs="admin",
            ),
            Operation(
                "PATCH",
                one,
                self.change,
                "Rename, describe, disable or enable an account; disabled, all that it opened ends",
                {200: "As it is now", **_MISSING, **_CONFLICT},
                returns=models.AccountModel,
                takes=requests.AccountChange,
                needs="admin",
            ),
            Operation(
                "DELETE",
                one,
                self.delete,
                "Remove an account with all its grants, keys and sessions",
                {204: "Removed", **_MISSING, **_CONFLICT},
                needs="admin",
            ),
            Operation(
                "DELETE",
                one + "/sessions",
                self.end_sessions,
                "Sign an account out everywhere; what its sessions opened ends within a second",
                {204: "It has no sessions any more", **_MISSING},
                needs="admin",
            ),
            Operation(
                "POST",
                one + "/invitation",
                self.invite,
                "Make a link that works once, with which a user chooses a new password",
                {201: "The link, shown this once", **_MISSING, 409: "No user, or one who is disabled"},
                returns=models.InvitationModel,
                takes=requests.NewInvitation,
                needs="admin",
            ),
        ]

    async def everybody(self, request: web.Request) -> web.Response:
        """All of them."""
        permit = await self._office.access.require_admin(request)
        accounts = [each for each in await self._accounts.everybody() if each.kind in _KINDS]
        await self._office.ledger.looked(request, permit, "user.list", count=len(accounts))
        names = await self._office.names()
        async with self._office.registers.engine.connect() as connection:
            known = await particulars(connection, self._office.registers.clock())
        return answer(
            models.AccountsModel(
                users=[_account(each, known.get(each.id, Particulars()), names) for each in accounts]
            )
        )

    async def create(self, request: web.Request) -> web.Response:
        """Make one."""
        permit = await self._office.in_charge(request)
        new = await read_body(request, requests.NewAccount)
        made = await self._accounts.create(new.kind, new.name, full_name=new.full_name, email=new.email)
        await self._office.changed(request, permit, "user.add", made.id, name=made.name, kind=made.kind.value)
        return answer(await self._describe(made), 201)

    async def show(self, request: web.Request) -> web.Response:
        """One of them."""
        permit = await self._office.access.require_admin(request)
        account = await self._asked(request)
        await self._office.ledger.looked(request, permit, "user.show", account.id, name=account.name)
        return answer(await self._describe(account))

    async def change(self, request: web.Request) -> web.Response:
        """Change one."""
        permit = await self._office.in_charge(request)
        change = await read_body(request, requests.AccountChange)
        account = await self._asked(request)
        done: dict[str, object] = {}
        if change.disabled is not None and change.disabled != account.disabled:
            switch = self._accounts.disable if change.disabled else self._accounts.enable
            await switch(account.id)
            what = "user.disable" if change.disabled else "user.enable"
            await self._office.changed(request, permit, what, account.id, name=account.name)
        if change.name is not None and change.name != account.name:
            await self._accounts.rename(account.id, change.name)
            done |= {"name": change.name, "before": account.name}
        if change.full_name is not None or change.email is not None:
            await self._accounts.describe(account.id, full_name=change.full_name, email=change.email)
            done["described"] = sorted(change.model_fields_set & {"full_name", "email"})
        if done:
            await self._office.changed(request, permit, "user.change", account.id, **done)
        return answer(await self._describe(await self._accounts.account(account.id)))

    async def delete(self, request: web.Request) -> web.Response:
        """Remove one."""
        permit = await self._office.in_charge(request)
        account = await self._asked(request)
        await self._accounts.delete(account.id)
        await self._office.changed(request, permit, "user.delete", account.id, name=account.name)
        return web.Response(status=204)

    async def invite(self, request: web.Request) -> web.Response:
        """Make a link for one."""
        permit = await self._office.in_charge(request)
        new = await read_body(request, requests.NewInvitation)
        account = await self._asked(request)
        invitations = self._office.registers.invitations
        made = await invitations.issue(account.id, forget_factors=new.forget_factors)
        await self._office.changed(
            request,
            permit,
            "user.invite",
            account.id,
            name=account.name,
            forget_factors=new.forget_factors,
            expires_at=made.expires_at,
        )
        # In the fragment, which browsers send to nobody.
        link = f"{self._office.base_url(request)}{INVITATION_PATH}#token={made.token}"
        model = models.InvitationModel(
            link=link, expires_at=made.expires_at, forget_factors=new.forget_factors
        )
        return answer(model, 201)

    async def end_sessions(self, request: web.Request) -> web.Response:
        """Sign one out everywhere."""
        permit = await self._office.in_charge(request)
        account = await self._asked(request)
        count = await self._office.registers.sessions.revoke_all(account.id)
        await self._office.changed(
            request, permit, "user.sign_out", account.id, name=account.name, count=count
        )
        return web.Response(status=204)

    async def _asked(self, request: web.Request) -> Account:
        return await self._office.account(request.match_info["id"], *_KINDS)

    async def _describe(self, account: Account) -> models.AccountModel:
        registers = self._office.registers
        names = await self._office.names()
        async with registers.engine.connect() as connection:
            return _account(account, await particulars_of(connection, account.id, registers.clock()), names)


def _account(account: Account, known: Particulars, names: Names) -> models.AccountModel:
    groups = [names.named(group) for group in known.groups]
    return models.AccountModel(
        id=account.id,
        kind=account.kind,
        name=account.name,
        full_name=account.full_name,
        email=account.email,
        disabled=account.disabled,
        created_at=account.created_at,
        has_password=known.has_password,
        second_factors=sorted(known.factors),
        sessions=known.sessions,
        keys=known.keys,
        groups=sorted((each for each in groups if each is not None), key=lambda each: each.name),
    )
