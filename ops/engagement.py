"""Engagement put together, and hooked to who watches: over the database and the state directory.

`open_engagement` comes first, `run` is one of the server's works, `close` comes when everybody has left.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

from aiohttp import web

from auth.door import Entry
from ops.identity import Identity
from streamer.config import Config
from streamer.egress.webrtc import Viewer, WebRtcEgress
from streamer.engagement.audience import Audience
from streamer.engagement.batch import DAY_S
from streamer.engagement.collector import Collector, Delivery
from streamer.engagement.disclosure import Disclosure
from streamer.engagement.places import Places
from streamer.engagement.privacy import Salts
from streamer.engagement.queries import Queries
from streamer.engagement.reception import Reception, Visitor
from streamer.engagement.spool import Spool
from streamer.engagement.store import Retention, Store
from streamer.web.analytics import Insight
from streamer.web.origin import client_address

_FOLDER = "engagement"
_NODE_FILE = "node"


class Engagement:
    """Who watched, on this machine.

    Args:
        config: of the server.
        identity: its database and vault.

    Attributes:
        audience: who watches now.
        collector: has the database know.
        insight: what the API tells of it.

    Raises:
        OSError: the state directory, or the database of places, cannot be used.
        ValueError: the database of places is none.
    """

    def __init__(self, config: Config, identity: Identity) -> None:
        settings = config.engagement
        folder = config.state.dir / _FOLDER
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.node = _node_name(folder / _NODE_FILE)
        self.retention = Retention(
            settings.retention_days * DAY_S, settings.minute_days * DAY_S, settings.hour_days * DAY_S
        )
        self.audience = Audience(identity.clock)
        self.store = Store(identity.engine, self.retention, identity.clock)
        self.spool = Spool(folder / "spool", settings.spool_bytes)
        self.delivery = Delivery(self.spool, self.store)
        self._salts = Salts(identity.engine, identity.vault)
        self._places = Places(settings.geoip)
        self._reception = Reception(self.audience, self._salts, self._places)
        self.collector = Collector(
            self.audience, self.delivery, self._salts, self.store, folder, self.node, settings.flush_s
        )
        self.insight = Insight(
            self.audience,
            self.collector,
            Queries(identity.engine, self.audience, self.retention, identity.clock),
            Disclosure(identity.engine, settings.k_threshold),
            self.audience.live,
        )
        # Apart from `run`: it delivers what is left after everything else has stopped.
        self._delivering = asyncio.get_running_loop().create_task(self.delivery.run())

    def follow(self, egress: WebRtcEgress) -> None:
        """Take note of an egress's viewers."""
        egress.on_connect.append(lambda viewer: self.audience.watching(viewer.id))
        egress.on_measure.append(self.audience.measured)
        egress.on_leave.append(self._left)

    def welcome(self, request: web.Request, viewer: Viewer, entry: Entry | None, asked_at: float) -> None:
        """As `streamer.web.whep.Welcome`."""
        if not viewer.stream.config.analytics:
            return
        account, logged_in = _account(entry)
        self._reception.arrive(
            Visitor(
                viewer.id,
                viewer.peer.id,
                viewer.stream.name,
                "whep",
                asked_at,
                client_address(request),
                request.headers,
                account,
                logged_in,
            )
        )

    async def start(self) -> None:
        """Before anybody comes: take up what a killed server left, and agree on today's salt."""
        await self.collector.start()

    async def run(self) -> None:
        """Beat until cancelled."""
        await self.collector.run()

    async def close(self, timeout_s: float) -> None:
        """Everybody has left: keep what is left, and deliver it if that is quick."""
        await self.collector.close(timeout_s)
        self._delivering.cancel()
        await asyncio.wait({self._delivering})
        self._places.close()

    def _left(self, viewer: Viewer, why: str) -> None:
        self.audience.leave(viewer.id, why, viewer.counters)
        self._reception.left(viewer.id)


def _account(entry: Entry | None) -> tuple[str, bool]:
    """The account behind a viewer, and whether he is logged in with it himself."""
    if entry is None:
        return "", False
    permit = entry.permit
    if permit.session:
        return permit.principal.id, True
    return ("" if permit.subject.startswith("@") else permit.subject), False


def _node_name(path: Path) -> str:
    """This machine's name among others; made once."""
    if not path.exists():
        path.write_text(secrets.token_hex(6), encoding="ascii")
    return path.read_text(encoding="ascii").strip()
