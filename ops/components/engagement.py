"""Engagement put together, and hooked to who watches: over the database, the state directory and Redis.

`Engagement` is made first, `start` comes before anybody does, `run` is one of the server's works, and `close`
comes when everybody has left.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from auth.access.door import Entry
from auth.audit.entries import Event, append
from auth.errors import AuthError, NoSuchPrincipal
from auth.permissions.principals import Kind
from ops.identity import privacy
from ops.identity.identity import Identity
from ops.process.node import node_name
from streamer.config import Config
from streamer.egress.hls import HlsEgress, HlsViewer
from streamer.egress.webrtc import Viewer, WebRtcEgress
from streamer.engagement.audience import Audience, Live
from streamer.engagement.batch import DAY_S, Batch
from streamer.engagement.beacons import Beacons
from streamer.engagement.collector import Collector, Delivery
from streamer.engagement.disclosure import Disclosure
from streamer.engagement.happenings import Happenings
from streamer.engagement.people import Register
from streamer.engagement.places import Places
from streamer.engagement.privacy import Salts, wants_no_tracking
from streamer.engagement.queries import Queries
from streamer.engagement.reception import Reception, Visitor
from streamer.engagement.store import Retention, Store, Sum
from streamer.engagement.webhooks import Webhook
from streamer.web.analytics.insight import Insight
from streamer.web.origin import client_address
from streamer.web.privacy import People
from transport.plane.interface import COUNTERS

if TYPE_CHECKING:
    from ops.components.cluster import Cluster

_log = logging.getLogger(__name__)

_FOLDER = "engagement"
_LOOK_EVERY_S = 1.0
_DECIDE_EVERY_S = 600.0
# Of a database that is new to this, years are to be decided on; nobody waits for that.
_DECIDE_MORE_S = 0.5
_RENEW_EVERY_S = 60.0
# SIGTERM to exit is 5 s in all.
_END_S = 0.5
# The plane counts its peers from one on; viewers that it does not know have numbers from here on.
_PEERS_OVER_HLS = 1 << 63


class Engagement:
    """Who watched, on this machine.

    Args:
        config: of the server.
        identity: its database and vault.
        streams: names of all streams, and whether they are live.
        platform_viewers: who watches a stream elsewhere, by relay.

    Attributes:
        audience: who watches now.
        insight: what the API tells of it.
        people: what can be done for them.
        cluster: the other machines, None without Redis.
        totals: by stream, what was counted here since the start.

    Raises:
        OSError: the state directory cannot be used.
        PlacesError: the database of places cannot be used.
    """

    def __init__(
        self,
        config: Config,
        identity: Identity,
        streams: Callable[[], Iterable[tuple[str, bool]]],
        platform_viewers: Callable[[str], dict[str, int]] = lambda stream: {},
    ) -> None:
        settings = config.engagement
        self._config = config
        self._identity = identity
        self._streams = streams
        folder = config.state.dir / _FOLDER
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        node = node_name(config.state.dir)
        kept = Retention(
            settings.retention_days * DAY_S, settings.minute_days * DAY_S, settings.hour_days * DAY_S
        )
        engine, clock = identity.engine, identity.clock
        self.audience = Audience(clock, time.monotonic)
        store = Store(engine, kept, clock)
        self.cluster: Cluster | None = None
        if config.redis.url is not None:
            # Here, as few have a Redis, and what talks to it is long to import.
            from ops.components.cluster import Cluster

            self.cluster = Cluster(config.redis.url.get_secret_value(), node, self.audience, store)
        carrier = self.cluster.queue if self.cluster is not None else None
        self.delivery = Delivery(privacy.open_spool(config), store, carrier)
        self._salts = Salts(engine, identity.vault)
        self._places = Places(settings.geoip)
        self._reception = Reception(self.audience, self._salts, self._places)
        self.beacons = Beacons(self.audience)
        self.collector = Collector(
            self.audience, self.delivery, self._salts, store, folder, node, settings.flush_s
        )
        self.totals: dict[str, Sum] = {}
        self.collector.on_batch.append(self._add_up)
        if self.cluster is not None:
            self.cluster.follow(self.collector, self.delivery)
        queries = (
            Queries(engine, self.audience, kept, clock, self.cluster.elsewhere)
            if self.cluster is not None
            else Queries(engine, self.audience, kept, clock)
        )
        self.insight = Insight(
            self.audience,
            self.collector,
            queries,
            self.beacons,
            Disclosure(engine, settings.k_threshold, clock),
            self.live,
            self.cluster.unique_today if self.cluster is not None else lambda stream: None,
            platform_viewers,
        )
        self.people = People(Register(engine, clock), self._export, self._erase)
        self.webhooks = [
            (Webhook(each, clock=clock), Happenings(each.viewers, each.quality_below))
            for each in config.webhooks
        ]
        # Apart from `run`: it delivers what is left after everything else has stopped.
        self._delivering = asyncio.get_running_loop().create_task(self.delivery.run())

    def follow(self, egress: WebRtcEgress, hls: HlsEgress) -> None:
        """Take note of both egresses' viewers."""
        self._hls = hls
        egress.on_connect.append(self._watching)
        egress.on_measure.append(self._measured)
        egress.on_leave.append(self._left)
        hls.on_connect.append(self._watching)
        hls.on_leave.append(self._left)

    def welcome(
        self, request: web.Request, viewer: Viewer | HlsViewer, entry: Entry, asked_at: float
    ) -> None:
        """As `streamer.web.whep.Welcome` and `streamer.web.hls.Welcome`."""
        if not (self._config.engagement.enabled and viewer.stream.config.analytics):
            return
        account, logged_in = _account(entry)
        visitor = Visitor(
            session=viewer.id,
            peer=_peer(viewer),
            stream=viewer.stream.name,
            protocol="whep" if isinstance(viewer, Viewer) else "hls",
            asked_at=asked_at,
            address=client_address(request),
            headers=request.headers,
            account=account,
            logged_in=logged_in,
        )
        self._reception.arrive(visitor)
        if not wants_no_tracking(request.headers):
            self.beacons.expect(viewer.key, viewer.id)

    def live(self) -> dict[str, Live]:
        """Who watches now, on all machines."""
        return self.cluster.live() if self.cluster is not None else self.audience.live()

    async def start(self) -> None:
        """Before anybody comes: take up what a killed server left, and agree on today's salt."""
        await self.collector.start()

    async def run(self) -> None:
        """Beat until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.collector.run())
            group.create_task(self._decide())
            group.create_task(self._renew())
            if self.cluster is not None:
                group.create_task(self.cluster.run())
            for webhook, _ in self.webhooks:
                group.create_task(webhook.run())
            if self.webhooks:
                group.create_task(self._look())

    async def close(self, timeout_s: float) -> None:
        """Everybody has left: keep what is left, and deliver it if that is quick."""
        await self.collector.close(timeout_s)
        self._delivering.cancel()
        await asyncio.wait({self._delivering}, timeout=_END_S)
        if self.cluster is not None:
            await self.cluster.close()
        self._places.close()

    async def _decide(self) -> None:
        """Decide what may be told of the days that are over."""
        while True:
            more = False
            try:
                more = await self.insight.disclosure.decide()
            except (SQLAlchemyError, AuthError) as error:
                _log.warning("what may be told of audiences could not be decided: %s", error)
            await asyncio.sleep(_DECIDE_MORE_S if more else _DECIDE_EVERY_S)

    async def _renew(self) -> None:
        """Take up another database of places."""
        while True:
            await asyncio.sleep(_RENEW_EVERY_S)
            await asyncio.to_thread(self._places.renew)

    async def _look(self) -> None:
        """Tell the webhooks what happens."""
        while True:
            streams, audiences = list(self._streams()), self.live()
            for webhook, happenings in self.webhooks:
                for happening in happenings.look(streams, audiences, self.audience.clock()):
                    webhook.tell(happening)
            await asyncio.sleep(_LOOK_EVERY_S)

    def _measured(self, counters: npt.NDArray[np.void]) -> None:
        others = _rows(self._hls.viewers)
        self.audience.measured(np.concatenate((counters, others)) if others.size else counters)
        self.collector.measured()

    def _watching(self, viewer: Viewer | HlsViewer) -> None:
        self.audience.watching(viewer.id)
        arrival = self.audience.arrival_of(viewer.id)
        if self.cluster is not None and arrival is not None and arrival.viewer:
            self.cluster.nodes.seen(arrival.stream, arrival.viewer)

    def _add_up(self, batch: Batch) -> None:
        for added in batch.added:
            self.totals.setdefault(added.stream, Sum()).take(replace(added, viewers=b""))

    def _left(self, viewer: Viewer | HlsViewer, why: str) -> None:
        counters = viewer.counters if isinstance(viewer, Viewer) else _rows([viewer])[0]
        self.audience.leave(viewer.id, why, counters)
        self._reception.left(viewer.id)

    async def _export(self, name: str, form: str, by: str) -> str:
        account = await self._identity.accounts.named(name)
        request = await self.people.register.enter("export", account.name)
        found = await privacy.gather(self._identity, account)
        async with self._identity.engine.begin() as connection:
            event = Event(by, "privacy.export", account.id, details={"request": request.id})
            await append(connection, self._identity.vault, [event], self._identity.clock())
        await self.people.register.complete(request.id)
        return privacy.as_csv(found) if form == "csv" else privacy.as_json(found)

    async def _erase(self, name: str, by: str) -> dict[str, int]:
        account = await self._identity.accounts.named(name)
        if account.kind is Kind.GROUP:
            raise NoSuchPrincipal(name)
        return await privacy.erase(self._identity, self._config, account, by=by)


def _peer(viewer: Viewer | HlsViewer) -> int:
    return viewer.peer.id if isinstance(viewer, Viewer) else _PEERS_OVER_HLS | int(viewer.id, 16)


def _rows(viewers: Sequence[HlsViewer]) -> npt.NDArray[np.void]:
    """What is counted of viewers that the plane does not know, as it would."""
    rows = np.zeros(len(viewers), COUNTERS)
    rows["peer_id"] = [_peer(viewer) for viewer in viewers]
    rows["bytes_sent"] = [viewer.bytes_sent for viewer in viewers]
    return rows


def _account(entry: Entry) -> tuple[str, bool]:
    """The account behind a viewer, and whether he is logged in with it himself."""
    permit = entry.permit
    if permit.session:
        return permit.principal.id, True
    return ("" if permit.subject.startswith("@") else permit.subject), False
