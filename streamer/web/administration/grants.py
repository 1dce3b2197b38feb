"""Grants: given, prolonged, shortened, taken back, by whoever administers the streams that they are for.

Support access is one of them: given by the owner to somebody from outside, with an end within 72 hours.
"""

from __future__ import annotations

from aiohttp import web

from auth.access.holder import Holder
from auth.access.permit import Permit
from auth.errors import Forbidden
from auth.permissions.actions import Action
from auth.permissions.grants import (
    Grant,
    NewGrant,
    add_grant,
    change_expiry,
    find_grant,
    list_grants,
    withdraw_grant,
)
from streamer.web.access import presented
from streamer.web.administration import models, requests
from streamer.web.administration.office import Names, Office
from streamer.web.answers import answer
from streamer.web.inputs import read_body, read_query
from streamer.web.operations import Operation
from streamer.web.origin import client_address

_MISSING = {404: "There is no such grant"}
_CONFLICT = {409: "Nobody could administer any more"}


class Grants:
    """The handlers."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._registers = office.registers

    def operations(self) -> list[Operation]:
        """What to route where."""
        all_, one = "/api/v1/grants", "/api/v1/grants/{id}"
        return [
            Operation(
                "GET",
                all_,
                self.all,
                "Grants on the streams that the asker administers; those that ended by themselves too",
                {200: "In the order in which they were given", 404: "There is no such account or group"},
                returns=models.GrantsModel,
                query=requests.GrantsQuery,
                needs="admin",
            ),
            Operation(
                "POST",
                all_,
                self.give,
                "Give an account or a group a role, or a single action, on the streams of a pattern",
                {201: "Given", 400: "What cannot be given", 404: "There is no such account or group"},
                returns=models.GrantModel,
                takes=requests.NewGrant,
                needs="admin",
            ),
            Operation(
                "PATCH",
                one,
                self.change,
                "Let a grant end at another time, or not at all",
                {200: "As it is now", **_MISSING, **_CONFLICT},
                returns=models.GrantModel,
                takes=requests.GrantChange,
                needs="admin",
            ),
            Operation(
                "DELETE",
                one,
                self.take_back,
                "Take a grant back; what it opened ends within a second",
                {204: "It counts no more", **_MISSING, **_CONFLICT},
                needs="admin",
            ),
        ]

    async def all(self, request: web.Request) -> web.Response:
        """Those that the asker may see."""
        permit, holder = await self._office.administers(request)
        query = read_query(request, requests.GrantsQuery)
        whose = None if query.to is None else (await self._office.account(query.to)).id
        async with self._registers.engine.connect() as connection:
            found = await list_grants(connection, whose, query.kind)
        shown = [grant for grant in found if self._sees(permit, holder, grant)]
        await self._office.ledger.looked(request, permit, "grant.list", whose or "", count=len(shown))
        names, now = await self._office.names(), self._registers.clock()
        return answer(models.GrantsModel(grants=[_grant(grant, names, now) for grant in shown]))

    async def give(self, request: web.Request) -> web.Response:
        """Give one."""
        permit, holder = await self._office.administers(request)
        body = await read_body(request, requests.NewGrant)
        now = self._registers.clock()
        whose = await self._office.account(body.to)
        new = NewGrant(
            whose.id, body.what, body.stream, holder.in_name_of, body.reason, body.ends_at(now), body.kind
        )
        credential = presented(request)
        self._registers.authority.check_grant(credential, new, client_address(request))
        async with self._registers.engine.begin() as connection:
            given = await add_grant(connection, new, now)
        await self._office.changed(
            request,
            permit,
            "grant.add",
            given.id,
            name=whose.name,
            principal_id=whose.id,
            what=given.what.value,
            stream=given.stream,
            kind=given.kind.value,
            expires_at=given.expires_at,
            reason=given.reason,
        )
        return answer(_grant(given, await self._office.names(), now), 201)

    async def change(self, request: web.Request) -> web.Response:
        """Let one end at another time."""
        permit, grant = await self._asked(request)
        body = await read_body(request, requests.GrantChange)
        now, directory = self._registers.clock(), await self._registers.directory()
        async with self._registers.engine.begin() as connection:
            changed = await change_expiry(connection, grant.id, body.ends_at(now), now, directory)
        await self._office.changed(
            request,
            permit,
            "grant.change",
            grant.id,
            expires_at=changed.expires_at,
            expired_before=grant.expires_at,
        )
        return answer(_grant(changed, await self._office.names(), now))

    async def take_back(self, request: web.Request) -> web.Response:
        """Take one back."""
        permit, grant = await self._asked(request)
        directory = await self._registers.directory()
        async with self._registers.engine.begin() as connection:
            taken = await withdraw_grant(connection, grant.id, directory)
        await self._office.changed(
            request,
            permit,
            "grant.remove",
            taken.id,
            principal_id=taken.principal_id,
            what=taken.what.value,
            stream=taken.stream,
        )
        return web.Response(status=204)

    async def _asked(self, request: web.Request) -> tuple[Permit, Grant]:
        """A grant that the asker administers; for others it is not there.

        Raises:
            NoSuchGrant: there is none, or not for him.
            AuthError: he administers nothing.
        """
        permit, holder = await self._office.administers(request)
        async with self._registers.engine.connect() as connection:
            grant = await find_grant(connection, request.match_info["id"])
        self._check(holder, grant)
        return permit, grant

    def _check(self, holder: Holder, grant: Grant) -> None:
        actions = frozenset({Action.ADMIN})
        now = self._registers.clock()
        holder.check_passing_on(self._registers.authority.snapshot, actions, (grant.stream,), now)

    def _sees(self, permit: Permit, holder: Holder, grant: Grant) -> bool:
        if permit.stream == "":
            return True
        try:
            self._check(holder, grant)
        except Forbidden:
            return False
        return True


def _grant(grant: Grant, names: Names, now: float) -> models.GrantModel:
    return models.GrantModel(
        id=grant.id,
        to=names.named(grant.principal_id),
        what=grant.what,
        actions=sorted(grant.actions),
        stream=grant.stream,
        kind=grant.kind,
        reason=grant.reason,
        granted_by=grant.granted_by,
        granted_by_name=names.of(grant.granted_by),
        created_at=grant.created_at,
        expires_at=grant.expires_at,
        is_over=grant.is_over(now),
    )
