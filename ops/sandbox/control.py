"""Behind the scenes, for tests and operators: break things, move the clock, look at what was received.

JSON over HTTP, from this machine only and not from a page in a browser.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from ops.sandbox.face import Face, Handler, World
from ops.sandbox.faults import Fault
from ops.sandbox.ingest import Sink
from ops.sandbox.oauth import Use
from ops.sandbox.orders import (
    AdvanceOrder,
    ClientOrder,
    CutOrder,
    DeafOrder,
    ExpireOrder,
    FaultOrder,
    QuotaOrder,
    RefuseOrder,
    RevokeOrder,
    ViewersOrder,
)
from ops.sandbox.parties import Client, Platform
from ops.sandbox.reception import StreamKey

_Order = TypeVar("_Order", bound=BaseModel)


class Control:
    """The control face."""

    def __init__(self, world: World, faces: Sequence[Face], sink: Sink) -> None:
        self._world = world
        self._sink = sink
        self._faces = {face.platform: face for face in faces}

    def routes(self) -> list[web.RouteDef]:
        """What can be asked and told."""
        table: list[tuple[str, str, Handler]] = [
            ("GET", "", self.state),
            ("GET", "/receptions", self.receptions),
            ("GET", "/calls", self.calls),
            ("DELETE", "/calls", self.forget_calls),
            ("POST", "/faults", self.add_fault),
            ("DELETE", "/faults", self.remove_faults),
            ("DELETE", "/faults/{id}", self.remove_faults),
            ("POST", "/clock", self.advance),
            ("POST", "/tokens/expire", self.expire),
            ("POST", "/tokens/revoke", self.revoke),
            ("POST", "/ingest/cut", self.cut),
            ("POST", "/ingest/deaf", self.deafen),
            ("POST", "/ingest/refuse", self.refuse),
            ("POST", "/viewers", self.viewers),
            ("POST", "/quota", self.quota),
            ("POST", "/clients", self.clients),
        ]
        return [web.route(method, f"/control{path}", _local(handler)) for method, path, handler in table]

    async def state(self, http: web.Request) -> web.Response:
        """Everything at a glance."""
        world = self._world
        return web.json_response(
            {
                "now": world.clock.now(),
                "ahead_s": world.clock.ahead_s,
                "addresses": vars(world.addresses),
                "programmes": [item for face in self._faces.values() for item in face.programmes()],
                "receptions": [_reception(key) for key in world.keys],
                "quota": {"daily_units": world.quota.daily_units, "spent": world.quota.all_spent()},
                "faults": [vars(fault) for fault in world.faults.active],
            }
        )

    async def receptions(self, http: web.Request) -> web.Response:
        """What the sink received, per stream key."""
        platform = http.query.get("platform")
        keys = [key for key in self._world.keys if platform in {None, key.platform.value}]
        return web.json_response([_reception(key) for key in keys])

    async def calls(self, http: web.Request) -> web.Response:
        """What was asked of the faces."""
        query = http.query
        return web.json_response(
            self._world.calls.to_json(query.get("platform", ""), query.get("operation", ""))
        )

    async def forget_calls(self, http: web.Request) -> web.Response:
        """Begin to count anew."""
        self._world.calls.clear()
        return web.Response(status=204)

    async def add_fault(self, http: web.Request) -> web.Response:
        """Do something to the next calls."""
        order = await _order(http, FaultOrder)
        fault = self._world.faults.add(Fault(**order.model_dump()))
        return web.json_response(vars(fault), status=201)

    async def remove_faults(self, http: web.Request) -> web.Response:
        """One fault, or all."""
        fault_id = http.match_info.get("id")
        self._world.faults.remove(int(fault_id) if fault_id is not None else None)
        return web.Response(status=204)

    async def advance(self, http: web.Request) -> web.Response:
        """Put the clock forward."""
        self._world.clock.advance((await _order(http, AdvanceOrder)).seconds)
        for face in self._faces.values():
            face.settle()
        return web.json_response({"now": self._world.clock.now(), "ahead_s": self._world.clock.ahead_s})

    async def expire(self, http: web.Request) -> web.Response:
        """Make tokens expire now."""
        order = await _order(http, ExpireOrder)
        uses = (Use.ACCESS, Use.PAGE) if order.use is Use.ACCESS else (order.use,)
        return web.json_response(
            {"expired": self._face(order.platform).tokens.expire(*uses, account_id=order.account)}
        )

    async def revoke(self, http: web.Request) -> web.Response:
        """What a user does in their settings: remove the app, or take back single scopes."""
        order = await _order(http, RevokeOrder)
        grants = [
            grant
            for grant in self._face(order.platform).tokens.grants
            if not grant.ended and order.account in {"", grant.account.id}
        ]
        for grant in grants:
            if order.scopes:
                grant.scopes -= frozenset(order.scopes)
            else:
                grant.ended = "removed"
        return web.json_response({"revoked": len(grants)})

    async def cut(self, http: web.Request) -> web.Response:
        """Close the connections to the sink, as a platform that restarts its ingest."""
        return web.json_response({"cut": self._cut(await _order(http, CutOrder))})

    async def deafen(self, http: web.Request) -> web.Response:
        """Read nothing for a while: a receiver that accepts and goes silent."""
        order = await _order(http, DeafOrder)
        until = time.monotonic() + order.seconds
        if order.platform is None and not order.key:
            self._sink.deaf_until = until
        for key in self._keys_of(order):
            key.reception.deaf_until = until
        return web.Response(status=204)

    async def refuse(self, http: web.Request) -> web.Response:
        """Take nobody for a while: a receiver that is not there."""
        order = await _order(http, RefuseOrder)
        self._sink.refuses_until = time.monotonic() + order.seconds
        return web.json_response({"cut": self._cut(CutOrder()) if order.cut else 0})

    async def viewers(self, http: web.Request) -> web.Response:
        """So many watch."""
        order = await _order(http, ViewersOrder)
        if not self._face(order.platform).watch(order.id, order.viewers):
            raise _wrong(404, f"{order.platform} has no programme {order.id!r}")
        return web.Response(status=204)

    async def quota(self, http: web.Request) -> web.Response:
        """Set how many units a project has a day."""
        self._world.quota.daily_units = (await _order(http, QuotaOrder)).daily_units
        return web.Response(status=204)

    async def clients(self, http: web.Request) -> web.Response:
        """Register an app, or change one: its addresses, its secret."""
        order = await _order(http, ClientOrder)
        old = self._world.register.client(order.platform, order.id)
        client = old or Client(order.platform, order.id, order.secret or "")
        client = replace(client, redirect_uris=frozenset(order.redirect_uris), kind=order.kind or client.kind)
        self._world.register.replace(replace(client, secret=order.secret or client.secret))
        return web.Response(status=204)

    def _cut(self, order: CutOrder) -> int:
        cuts = [key.reception.cut for key in self._keys_of(order)]
        for cut in cuts:
            if cut is not None:
                cut()
        return sum(cut is not None for cut in cuts)

    def _keys_of(self, order: CutOrder) -> list[StreamKey]:
        return [
            key
            for key in self._world.keys
            if order.platform in {None, key.platform} and order.key in {"", key.name}
        ]

    def _face(self, platform: Platform) -> Face:
        face = self._faces.get(platform)
        if face is None:
            raise _wrong(400, f"{platform} has no face: expected {', '.join(self._faces)}")
        return face


def _reception(key: StreamKey) -> dict[str, Any]:
    reception = key.reception
    return {
        "platform": key.platform.value,
        "app": key.app,
        "key": key.name,
        "active": reception.active,
        "connected": reception.connected,
        "secure": reception.secure,
        "connections": reception.connections,
        "refused": reception.refused,
        "bytes": reception.bytes,
        "first_at": reception.first_at,
        "last_at": reception.last_at,
        "said_goodbye": reception.said_goodbye,
        "recordings": reception.recordings,
        "video": vars(reception.video),
        "audio": vars(reception.audio),
    }


def _local(handler: Handler) -> Handler:
    async def handle(http: web.Request) -> web.StreamResponse:
        try:
            near = ipaddress.ip_address(http.remote or "").is_loopback
        except ValueError:
            near = False
        if not near or "Origin" in http.headers or http.headers.get("Sec-Fetch-Site", "none") != "none":
            raise _wrong(403, "the control face is for programs on this machine")
        return await handler(http)

    return handle


async def _order(http: web.Request, model: type[_Order]) -> _Order:
    try:
        return model.model_validate_json(await http.read() or b"{}")
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors())
        raise _wrong(400, "; ".join(faults)) from None


def _wrong(status: int, message: str) -> web.HTTPException:
    kinds: dict[int, type[web.HTTPException]] = {
        400: web.HTTPBadRequest,
        403: web.HTTPForbidden,
        404: web.HTTPNotFound,
    }
    return kinds[status](text=message + "\n")
