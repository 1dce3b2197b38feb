"""Relays and destinations over HTTP. Who manages a stream manages where it goes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from aiohttp import web
from pydantic import SecretStr, ValidationError

from auth.audit.entries import Event
from auth.errors import NoSuchConnection
from auth.platforms.connections import Connections
from streamer.hub.registry import Registry
from streamer.relay.destination import Destination, Settings, When
from streamer.relay.destinations import new_id
from streamer.relay.errors import NoSuchRelay, RelayBusy, RelayRefused
from streamer.relay.relay import Relay
from streamer.relay.relays import Relays
from streamer.web import relay_models as models
from streamer.web.access import Access
from streamer.web.answers import answer
from streamer.web.inputs import read_body, read_query
from streamer.web.operations import Operation
from streamer.web.origin import client_address

_SETTINGS = frozenset(Settings.model_fields)
# Forms name minutes, and whoever chooses this one means now.
_JUST_NOW_S = 90.0

Record = Callable[[Event], Awaitable[None]]


class RelaysFace:
    """The handlers.

    Args:
        relays: all of them.
        registry: the streams that there are.
        access: who may.
        record: keeps in the audit log what was done.
        connections: accounts on platforms.
    """

    def __init__(
        self, relays: Relays, registry: Registry, access: Access, record: Record, connections: Connections
    ) -> None:
        self._relays = relays
        self._registry = registry
        self._access = access
        self._record = record
        self._connections = connections

    def operations(self) -> list[Operation]:
        """What to route where."""
        closed = {401: "A token is needed", 403: "This token does not open it"}
        missing = {404: "There is none of this id"}
        refused = {409: "Not while it is running", 422: "This stream must not, or cannot, go there; says why"}
        return [
            Operation(
                "GET",
                "/api/v1/relays",
                self.relays,
                "Every relay with its state, the reason and statistics",
                {200: "The relays", **closed},
                returns=models.RelaysModel,
                query=models.OfStream,
                needs="manage",
            ),
            Operation(
                "GET",
                "/api/v1/relays/{id}",
                self.relay,
                "One relay",
                {200: "The relay", **closed, **missing},
                returns=models.RelayModel,
                needs="manage",
            ),
            Operation(
                "POST",
                "/api/v1/relays/{id}/start",
                self.start,
                "Begin a relay; one that runs goes on",
                {200: "The relay", **closed, **missing, 422: refused[422]},
                returns=models.RelayModel,
                needs="manage",
            ),
            Operation(
                "POST",
                "/api/v1/relays/{id}/stop",
                self.stop,
                "End a relay and its broadcast",
                {200: "The relay", **closed, **missing},
                returns=models.RelayModel,
                needs="manage",
            ),
            Operation(
                "GET",
                "/api/v1/destinations",
                self.destinations,
                "Where streams can be sent, those of the configuration among them",
                {200: "The destinations", **closed},
                returns=models.DestinationsModel,
                query=models.OfStream,
                needs="manage",
            ),
            Operation(
                "POST",
                "/api/v1/destinations",
                self.add,
                "A new destination",
                {201: "The destination", **closed, 404: "No such stream", 422: refused[422]},
                returns=models.DestinationModel,
                takes=models.NewDestination,
                needs="manage",
            ),
            Operation(
                "GET",
                "/api/v1/destinations/{id}",
                self.destination,
                "One destination",
                {200: "The destination", **closed, **missing},
                returns=models.DestinationModel,
                needs="manage",
            ),
            Operation(
                "PATCH",
                "/api/v1/destinations/{id}",
                self.change,
                "Change a destination whose relay does not run",
                {200: "The destination", **closed, **missing, **refused},
                returns=models.DestinationModel,
                takes=models.DestinationChange,
                needs="manage",
            ),
            Operation(
                "DELETE",
                "/api/v1/destinations/{id}",
                self.remove,
                "Remove a destination; a relay to it is ended",
                {204: "Removed", **closed, **missing, 409: "It stands in the configuration"},
                needs="manage",
            ),
        ]

    async def relays(self, request: web.Request) -> web.Response:
        """Every relay."""
        return answer(models.RelaysModel(relays=[_relay(each) for each in await self._mine(request)]))

    async def relay(self, request: web.Request) -> web.Response:
        """One relay."""
        return answer(_relay((await self._managed(request))[0]))

    async def start(self, request: web.Request) -> web.Response:
        """Begin it."""
        relay, who = await self._managed(request)
        self._relays.start(relay.id)
        await self._note(request, who, "relay.start", relay.destination)
        return answer(_relay(relay))

    async def stop(self, request: web.Request) -> web.Response:
        """End it."""
        relay, who = await self._managed(request)
        self._relays.stop(relay.id)
        await self._note(request, who, "relay.stop", relay.destination)
        return answer(_relay(relay))

    async def destinations(self, request: web.Request) -> web.Response:
        """Every destination."""
        found = [_destination(relay.destination) for relay in await self._mine(request)]
        return answer(models.DestinationsModel(destinations=found))

    async def destination(self, request: web.Request) -> web.Response:
        """One destination."""
        return answer(_destination((await self._managed(request))[0].destination))

    async def add(self, request: web.Request) -> web.Response:
        """A new destination."""
        # Nobody's wishes are looked at before it is known that he may have some.
        await self._streams(request)
        body = await read_body(request, models.NewDestination)
        who = await self._require(request, body.stream)
        stream = self._registry.find(body.stream)
        given = body.model_dump(exclude_unset=True, exclude={"stream"})
        made = _built({"id": new_id(), "stream": body.stream}, {}, given)
        made.check(stream.config)
        _check_schedule(made.settings, time.time())
        await self._check_account(request, made)
        await self._relays.add(made)
        await self._note(request, who, "destination.add", made)
        return answer(_destination(made), 201)

    async def change(self, request: web.Request) -> web.Response:
        """Change it."""
        relay, who = await self._managed(request)
        body = await read_body(request, models.DestinationChange)
        self._changeable(relay)
        if relay.state.is_running:
            raise RelayBusy(f"{relay.destination.name!r} is running; expected it to be stopped first")
        old = relay.destination
        kept = {
            "id": old.id,
            "stream": old.stream,
            "name": old.name,
            "key": old.key,
            "passphrase": old.passphrase,
        }
        given = body.model_dump(exclude_unset=True)
        made = _built(kept, old.settings.model_dump(), given)
        made.check(relay.stream.config)
        if _schedule(made.settings) != _schedule(old.settings):
            _check_schedule(made.settings, time.time())
        if made.settings.account != old.settings.account:
            await self._check_account(request, made)
        await self._relays.change(made)
        await self._note(request, who, "destination.change", made, changed=sorted(given))
        return answer(_destination(made))

    async def remove(self, request: web.Request) -> web.Response:
        """Remove it."""
        relay, who = await self._managed(request)
        self._changeable(relay)
        await self._relays.remove(relay.id)
        await self._note(request, who, "destination.remove", relay.destination)
        return web.Response(status=204)

    async def _check_account(self, request: web.Request, destination: Destination) -> None:
        """Let an account be used by its owner, and the installation's by whoever manages the server."""
        settings = destination.settings
        if not settings.account:
            return
        permit = await self._access.require_manage(request, destination.stream)
        connection = await self._connections.find(settings.account)
        owner = connection.owner
        if not (owner == permit.principal.id if owner else self._access.may_manage(request, "")):
            raise NoSuchConnection(settings.account)
        if connection.platform != settings.platform:
            raise RelayRefused(
                f"the account is one on {connection.platform}; expected one on {settings.platform}"
            )

    def _changeable(self, relay: Relay) -> None:
        if relay.destination.fixed:
            raise RelayBusy("it stands in the configuration; expected it to be changed there")

    async def _mine(self, request: web.Request) -> list[Relay]:
        """The relays that the asker may manage."""
        stream = read_query(request, models.OfStream).stream
        if stream:
            await self._require(request, stream)
            return [relay for relay in self._relays if relay.stream.name == stream]
        if self._access.may_manage(request, ""):
            return list(self._relays)
        names = await self._streams(request)
        return [relay for relay in self._relays if relay.stream.name in names]

    async def _streams(self, request: web.Request) -> set[str]:
        """Names of the streams that the asker may manage; one at least, or he manages the server."""
        names = {each.name for each in self._registry if self._access.may_manage(request, each.name)}
        if not names:
            await self._require(request, "")  # says what is needed
        return names

    async def _managed(self, request: web.Request) -> tuple[Relay, str]:
        """The relay of a path, and who asks."""
        try:
            relay = self._relays.find(request.match_info["id"])
        except NoSuchRelay:
            # Only who manages everything learns what is not there.
            await self._require(request, "")
            raise
        return relay, await self._require(request, relay.stream.name)

    async def _require(self, request: web.Request, stream: str) -> str:
        """Let through who manages the stream; returns who that is."""
        permit = await self._access.require_manage(request, stream)
        return permit.principal.id or permit.token_subject

    async def _note(
        self, request: web.Request, who: str, what: str, destination: Destination, **details: Any
    ) -> None:
        told = {"stream": destination.stream, "name": destination.name, **details}
        told["platform"] = destination.settings.platform.value
        await self._record(Event(who, what, destination.id, client_address(request), details=told))


def _built(kept: dict[str, Any], settings: dict[str, Any], given: dict[str, Any]) -> Destination:
    """A destination of what it was and what is said of it.

    Raises:
        RelayRefused: it cannot be; says which field and what was expected, never a secret.
    """
    wanted = {**settings, **{name: value for name, value in given.items() if name in _SETTINGS}}
    # What is explicitly null has its default again.
    wanted = {name: value for name, value in wanted.items() if value is not None}
    fields: dict[str, Any] = dict(kept)
    for name in ("key", "passphrase"):
        if name in given:
            fields[name] = SecretStr(given[name]) if given[name] else None
    if given.get("name"):
        fields["name"] = given["name"]
    if fields.get("key") is None:
        fields.pop("key", None)
    try:
        return Destination(settings=Settings(**wanted), **fields)
    except ValidationError as error:
        told = []
        for details in error.errors(include_input=False, include_url=False):
            where = ".".join(str(part) for part in details["loc"])
            message = details["msg"].removeprefix("Value error, ")
            told.append(f"{where}: {message}" if where else message)
        raise RelayRefused("; ".join(told)) from None


def _relay(relay: Relay) -> models.RelayModel:
    destination, sent, health = relay.destination, relay.statistics, relay.health
    intake = relay.intake
    return models.RelayModel(
        id=relay.id,
        stream=relay.stream.name,
        name=destination.name,
        platform=destination.settings.platform,
        url=destination.shown_url,
        fixed=destination.fixed,
        when=destination.settings.when,
        state=relay.state.value,
        reason=relay.reason,
        troubles=list(relay.machine.troubles),
        since=relay.since,
        began_at=relay.began_at,
        slate=relay.is_filling,
        transcoded=intake is not None and intake.is_transcoded,
        watch_url=relay.watch_url,
        encryption=sent.encryption if sent.peer else "",
        peer=sent.peer,
        statistics=models.RelayStatisticsModel(
            bitrate_bps=sent.bitrate_bps,
            bytes_sent=sent.bytes_sent,
            pictures_sent=sent.pictures_sent,
            pictures_dropped=sent.pictures_dropped,
            sounds_sent=sent.sounds_sent,
            sounds_dropped=sent.sounds_dropped,
            units_skipped=intake.skipped if intake is not None else 0,
            queued_bytes=sent.queued_bytes,
            unacknowledged_bytes=sent.unacknowledged_bytes,
            lag_s=round(sent.lag_s, 2),
            rtt_ms=round(sent.rtt_ms, 2) if sent.rtt_ms is not None else None,
            reconnects=relay.machine.reconnects,
            position_ms=sent.position_ms,
        ),
        health=models.RelayHealthModel(
            state=health.state.value, issues=list(health.issues), viewers=health.viewers
        )
        if health is not None
        else None,
    )


def _schedule(settings: Settings) -> tuple[object, ...]:
    return settings.when, settings.starts_at, settings.ends_at


def _check_schedule(settings: Settings, now: float) -> None:
    """Refuse a time that is over: who meant another day would be on air at once, in front of everybody.

    Raises:
        RelayRefused: says what was expected.
    """
    if settings.when is not When.SCHEDULED or settings.starts_at is None:
        return
    if settings.starts_at < now - _JUST_NOW_S:
        ago = str(timedelta(seconds=round(now - settings.starts_at)))
        raise RelayRefused(
            f'starts_at lies {ago} in the past; expected one to come, or when = "manual" to start it now'
        )


def _destination(destination: Destination) -> models.DestinationModel:
    settings = destination.settings.model_dump()
    settings["url"] = destination.shown_url
    return models.DestinationModel(
        id=destination.id,
        stream=destination.stream,
        name=destination.name,
        fixed=destination.fixed,
        has_key=bool(destination.key.get_secret_value()),
        has_passphrase=destination.passphrase is not None,
        **settings,
    )
