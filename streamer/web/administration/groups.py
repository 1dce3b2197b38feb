"""Groups: what is granted to one counts for everybody in it, and it can demand a second factor of them."""

from __future__ import annotations

from aiohttp import web

from auth.accounts.accounts import Account
from auth.permissions.principals import Kind
from streamer.web.administration import models, requests
from streamer.web.administration.office import Office
from streamer.web.answers import answer
from streamer.web.inputs import read_body
from streamer.web.operations import Operation

_MISSING = {404: "There is no such group, or no such account"}
_CONFLICT = {409: "The name is taken, or nobody could administer any more"}


class GroupsFace:
    """The handlers."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._accounts = office.registers.accounts
        self._groups = office.registers.groups

    def operations(self) -> list[Operation]:
        """What to route where."""
        all_, one = "/api/v1/groups", "/api/v1/groups/{id}"
        member = one + "/members/{member}"
        return [
            Operation(
                "GET",
                all_,
                self.all,
                "All groups, and who is in them",
                returns=models.GroupsModel,
                needs="admin",
            ),
            Operation(
                "POST",
                all_,
                self.create,
                "Make a group",
                {201: "Made", 400: "A name that cannot be one", **_CONFLICT},
                returns=models.GroupModel,
                takes=requests.NewGroup,
                needs="admin",
            ),
            Operation(
                "GET",
                one,
                self.show,
                "One group, by id or name",
                {200: "The group", **_MISSING},
                returns=models.GroupModel,
                needs="admin",
            ),
            Operation(
                "PATCH",
                one,
                self.change,
                "Rename a group, disable it, or have it demand a second factor",
                {200: "As it is now", **_MISSING, **_CONFLICT},
                returns=models.GroupModel,
                takes=requests.GroupChange,
                needs="admin",
            ),
            Operation(
                "DELETE",
                one,
                self.delete,
                "Remove a group with its grants; what only it gave ends within a second",
                {204: "Removed", **_MISSING, **_CONFLICT},
                needs="admin",
            ),
            Operation(
                "PUT",
                member,
                self.join,
                "Put an account or another group into a group",
                {204: "It is in there", **_MISSING, 409: "The group would be in itself"},
                needs="admin",
            ),
            Operation(
                "DELETE",
                member,
                self.leave,
                "Take an account or a group out of a group",
                {204: "It is not in there any more", **_MISSING, **_CONFLICT},
                needs="admin",
            ),
        ]

    async def all(self, request: web.Request) -> web.Response:
        """All of them."""
        permit = await self._office.access.require_admin(request)
        groups = await self._accounts.everybody(Kind.GROUP)
        await self._office.ledger.looked(request, permit, "group.list", count=len(groups))
        return answer(models.GroupsModel(groups=[await self._describe(each) for each in groups]))

    async def create(self, request: web.Request) -> web.Response:
        """Make one."""
        permit = await self._office.in_charge(request)
        new = await read_body(request, requests.NewGroup)
        made = await self._accounts.create(Kind.GROUP, new.name)
        if new.factor_required:
            await self._accounts.require_factor(made.id, True)
        await self._office.changed(
            request, permit, "group.add", made.id, name=made.name, factor_required=new.factor_required
        )
        return answer(await self._describe(await self._accounts.account(made.id)), 201)

    async def show(self, request: web.Request) -> web.Response:
        """One of them."""
        permit = await self._office.access.require_admin(request)
        group = await self._asked(request)
        await self._office.ledger.looked(request, permit, "group.show", group.id, name=group.name)
        return answer(await self._describe(group))

    async def change(self, request: web.Request) -> web.Response:
        """Change one."""
        permit = await self._office.in_charge(request)
        change = await read_body(request, requests.GroupChange)
        group = await self._asked(request)
        done: dict[str, object] = {}
        if change.disabled is not None and change.disabled != group.disabled:
            await (self._accounts.disable if change.disabled else self._accounts.enable)(group.id)
            done["disabled"] = change.disabled
        if change.factor_required is not None and change.factor_required != group.factor_required:
            await self._accounts.require_factor(group.id, change.factor_required)
            done["factor_required"] = change.factor_required
        if change.name is not None and change.name != group.name:
            await self._accounts.rename(group.id, change.name)
            done |= {"name": change.name, "before": group.name}
        if done:
            await self._office.changed(request, permit, "group.change", group.id, **done)
        return answer(await self._describe(await self._accounts.account(group.id)))

    async def delete(self, request: web.Request) -> web.Response:
        """Remove one."""
        permit = await self._office.in_charge(request)
        group = await self._asked(request)
        await self._accounts.delete(group.id)
        await self._office.changed(request, permit, "group.delete", group.id, name=group.name)
        return web.Response(status=204)

    async def join(self, request: web.Request) -> web.Response:
        """Put somebody into one."""
        permit = await self._office.in_charge(request)
        group, member = await self._asked(request), await self._member(request)
        await self._groups.add(group.id, member.id)
        await self._office.changed(
            request, permit, "group.join", group.id, name=group.name, member=member.name, member_id=member.id
        )
        return web.Response(status=204)

    async def leave(self, request: web.Request) -> web.Response:
        """Take somebody out of one."""
        permit = await self._office.in_charge(request)
        group, member = await self._asked(request), await self._member(request)
        await self._groups.remove(group.id, member.id)
        await self._office.changed(
            request, permit, "group.leave", group.id, name=group.name, member=member.name, member_id=member.id
        )
        return web.Response(status=204)

    async def _asked(self, request: web.Request) -> Account:
        return await self._office.account(request.match_info["id"], Kind.GROUP)

    async def _member(self, request: web.Request) -> Account:
        return await self._office.account(request.match_info["member"])

    async def _describe(self, group: Account) -> models.GroupModel:
        return models.GroupModel(
            id=group.id,
            name=group.name,
            disabled=group.disabled,
            factor_required=group.factor_required,
            created_at=group.created_at,
            members=[
                models.MemberModel(id=each.id, name=each.name, kind=each.kind, sources=sorted(each.sources))
                for each in await self._groups.members(group.id)
            ],
        )
