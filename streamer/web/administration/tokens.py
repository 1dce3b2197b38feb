"""Tokens: issued, listed, withdrawn, by whoever manages the streams that they are for."""

from __future__ import annotations

import json

from aiohttp import web

from auth.access.holder import Holder
from auth.access.permit import Permit
from auth.errors import BadGrant
from auth.permissions.actions import Action
from auth.tokens.issued import TokenRecord, find_token, issue, list_tokens, revoke
from auth.tokens.links import Target
from auth.tokens.tokens import Issued, TokenOrder, implied
from streamer.web.access import presented
from streamer.web.administration import models, requests
from streamer.web.administration.office import Names, Office
from streamer.web.answers import answer
from streamer.web.inputs import read_body
from streamer.web.operations import Operation
from streamer.web.origin import client_address
from streamer.web.problems import Problem

_MISSING = {404: "There is no such token"}


class TokenOffice:
    """Issues tokens and withdraws them, for the faces of tokens and of links."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._registers = office.registers

    def base_url(self, request: web.Request) -> str:
        """See `Office.base_url`."""
        return self._office.base_url(request)

    async def asker(self, request: web.Request) -> tuple[Permit, Holder]:
        """Whoever manages something; nobody else's wishes are looked at.

        Raises:
            AuthError: he manages nothing.
        """
        return await self._office.manages(request)

    async def issue(
        self,
        request: web.Request,
        asker: tuple[Permit, Holder],
        wanted: requests.NewToken | requests.NewLink,
        actions: frozenset[Action],
        streams: tuple[str, ...],
        link: Target | None = None,
    ) -> Issued:
        """Issue one in the name of whoever asks, as `asker` gave him.

        Raises:
            AuthError: he may not, or nobody could.
        """
        permit, holder = asker
        try:
            limits = wanted.limits.limits()
        except ValueError as error:
            raise BadGrant(str(error)) from None
        order = TokenOrder(actions, streams, wanted.lifetime_s, holder.in_name_of, limits, wanted.note)
        authority, now = self._registers.authority, self._registers.clock()
        authority.tokens.policy.check(order.actions, order.lifetime_s)
        authority.check_order(presented(request), order, client_address(request))
        async with self._registers.engine.begin() as connection:
            made = await issue(
                connection,
                authority.tokens,
                authority.snapshot.ring,
                order,
                now,
                "" if link is None else link,
            )
        await self._office.changed(
            request,
            permit,
            "token.issue",
            made.claims.token_id,
            actions=sorted(actions),
            streams=streams,
            subject=order.subject,
            expires_at=made.claims.expires_at,
            limits=limits.to_claim(),
            link="" if link is None else link.value,
            note=wanted.note,
        )
        return made

    async def all(self, request: web.Request) -> tuple[list[TokenRecord], Names]:
        """Those that whoever asks may see: his own, or everybody's if he administers the server."""
        permit, holder = await self._office.manages(request)
        whose = None if _sees_all(permit) else holder.in_name_of
        async with self._registers.engine.connect() as connection:
            found = await list_tokens(connection, self._registers.clock(), whose)
        await self._office.ledger.looked(request, permit, "token.list", whose or "", count=len(found))
        return found, await self._office.names()

    async def withdraw(self, request: web.Request, token_id: str) -> None:
        """Have one not count any more.

        Raises:
            Problem: 404, there is none, or it is another's.
            AuthError: he may withdraw none.
        """
        permit, holder = await self._office.manages(request)
        async with self._registers.engine.connect() as connection:
            found = await find_token(connection, token_id)
        if found is None or not (_sees_all(permit) or found.subject == holder.in_name_of):
            raise Problem(404, "no_such_token", f"there is no token {token_id!r}")
        async with self._registers.engine.begin() as connection:
            await revoke(connection, token_id, self._registers.clock(), found.expires_at)
        await self._office.changed(
            request, permit, "token.revoke", token_id, streams=found.streams, actions=found.actions
        )


class TokensFace:
    """The handlers."""

    def __init__(self, desk: TokenOffice) -> None:
        self._desk = desk

    def operations(self) -> list[Operation]:
        """What to route where."""
        all_ = "/api/v1/tokens"
        return [
            Operation(
                "GET",
                all_,
                self.all,
                "Tokens that are not over: one's own, or for administrators everybody's",
                returns=models.TokensModel,
                needs="manage",
            ),
            Operation(
                "POST",
                all_,
                self.issue,
                "Issue a token to watch, to publish or to do what else the asker may do himself",
                {201: "The token, shown this once", 400: "What cannot be issued"},
                returns=models.IssuedTokenModel,
                takes=requests.NewToken,
                needs="manage",
            ),
            Operation(
                "DELETE",
                all_ + "/{id}",
                self.withdraw,
                "Withdraw a token, or a link; what it opened ends within a second",
                {204: "It counts no more", **_MISSING},
                needs="manage",
            ),
        ]

    async def all(self, request: web.Request) -> web.Response:
        """Those that the asker may see."""
        found, names = await self._desk.all(request)
        return answer(models.TokensModel(tokens=[token_model(each, names) for each in found]))

    async def issue(self, request: web.Request) -> web.Response:
        """Issue one."""
        asker = await self._desk.asker(request)
        wanted = await read_body(request, requests.NewToken)
        made = await self._desk.issue(request, asker, wanted, implied(wanted.actions), wanted.streams)
        claims = made.claims
        model = models.IssuedTokenModel(id=claims.token_id, token=made.token, expires_at=claims.expires_at)
        return answer(model, 201)

    async def withdraw(self, request: web.Request) -> web.Response:
        """Withdraw one."""
        await self._desk.withdraw(request, request.match_info["id"])
        return web.Response(status=204)


def _sees_all(permit: Permit) -> bool:
    return permit.stream == "" and Action.ADMIN in permit.actions


def token_model(record: TokenRecord, names: Names) -> models.TokenModel:
    """A token as lists show it."""
    limits = json.loads(record.limits) if record.limits else {}
    return models.TokenModel(
        id=record.token_id,
        actions=[Action(action) for action in record.actions],
        streams=list(record.streams),
        note=record.note,
        limits=models.LimitsModel(
            viewers=limits.get("viewers"), networks=limits.get("net", []), once=limits.get("once", False)
        ),
        link=Target(record.link) if record.link else None,
        issued_by=record.subject,
        issued_by_name=names.of(record.subject),
        issued_at=record.issued_at,
        expires_at=record.expires_at,
        revoked_at=record.revoked_at,
        used_at=record.used_at,
    )
