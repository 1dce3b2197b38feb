"""API keys of service accounts: shown once when they are made, listed by their beginning, revoked."""

from __future__ import annotations

from aiohttp import web

from auth.accounts.accounts import Account
from auth.permissions.principals import Kind
from streamer.web.administration import models, requests
from streamer.web.administration.office import Office
from streamer.web.answers import answer
from streamer.web.inputs import read_body
from streamer.web.operations import Operation
from streamer.web.problems import Problem

_MISSING = {404: "There is no such account, or no such key"}


class Keys:
    """The handlers."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._keys = office.registers.api_keys

    def operations(self) -> list[Operation]:
        """What to route where."""
        all_ = "/api/v1/users/{id}/keys"
        return [
            Operation(
                "GET",
                all_,
                self.all,
                "The API keys of a service account",
                {200: "Its keys", **_MISSING},
                returns=models.KeysModel,
                needs="admin",
            ),
            Operation(
                "POST",
                all_,
                self.issue,
                "Make an API key for a service account",
                {201: "The key, shown this once", **_MISSING, 409: "No service account; people log in"},
                returns=models.IssuedKeyModel,
                takes=requests.NewKey,
                needs="admin",
            ),
            Operation(
                "DELETE",
                all_ + "/{prefix}",
                self.revoke,
                "Make a key worthless; what it opened ends within a second",
                {204: "It counts no more", **_MISSING},
                needs="admin",
            ),
        ]

    async def all(self, request: web.Request) -> web.Response:
        """An account's."""
        permit = await self._office.access.require_admin(request)
        account = await self._asked(request)
        await self._office.ledger.looked(request, permit, "key.list", account.id, name=account.name)
        return answer(
            models.KeysModel(
                keys=[
                    models.KeyModel(
                        prefix=key.prefix,
                        label=key.label,
                        created_at=key.created_at,
                        expires_at=key.expires_at,
                        used_at=key.used_at,
                    )
                    for key in await self._keys.keys(account.id)
                ]
            )
        )

    async def issue(self, request: web.Request) -> web.Response:
        """Make one."""
        permit = await self._office.in_charge(request)
        new = await read_body(request, requests.NewKey)
        account = await self._asked(request)
        expires_at = None
        if new.lifetime_s is not None:
            expires_at = self._office.registers.clock() + new.lifetime_s
        made = await self._keys.issue(account.id, new.label, expires_at=expires_at)
        await self._office.changed(
            request,
            permit,
            "key.add",
            account.id,
            name=account.name,
            prefix=made.prefix,
            label=new.label,
            expires_at=expires_at,
        )
        model = models.IssuedKeyModel(
            prefix=made.prefix, key=made.key, label=new.label, expires_at=expires_at
        )
        return answer(model, 201)

    async def revoke(self, request: web.Request) -> web.Response:
        """Make one worthless."""
        permit = await self._office.in_charge(request)
        account, prefix = await self._asked(request), request.match_info["prefix"]
        if prefix not in {key.prefix for key in await self._keys.keys(account.id)}:
            raise Problem(404, "no_such_key", f"{account.name!r} has no key {prefix!r}")
        await self._keys.revoke(prefix)
        await self._office.changed(
            request, permit, "key.remove", account.id, name=account.name, prefix=prefix
        )
        return web.Response(status=204)

    async def _asked(self, request: web.Request) -> Account:
        return await self._office.account(request.match_info["id"], Kind.USER, Kind.SERVICE)
