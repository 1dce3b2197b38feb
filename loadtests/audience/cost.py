"""What a second costs with so many viewers: the collector's own beats, as fast as they go."""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy.engine import URL

from auth.vault.vault import MasterKey, Vault
from ops.storage.database import open_database
from streamer.engagement.audience import Audience
from streamer.engagement.collector import Collector, Delivery
from streamer.engagement.privacy import Salts
from streamer.engagement.session import Arrival, Report
from streamer.engagement.spool import Spool
from streamer.engagement.store import Store
from transport.plane.interface import COUNTERS

_BEACON_EVERY_S = 10


@dataclass(frozen=True, slots=True)
class Cost:
    """Shares of one core.

    Attributes:
        steady: while everybody watches, each with a player that reports.
        churning: while a hundredth of them is replaced every second.
    """

    viewers: int
    steady: float
    churning: float


async def measure(viewers: int, seconds: int = 60) -> Cost:
    """Run so many seconds of both kinds."""
    with tempfile.TemporaryDirectory() as folder:
        return await _Stand(Path(folder), viewers).run(seconds)


class _Stand:
    def __init__(self, folder: Path, viewers: int) -> None:
        self._folder = folder
        self._viewers = viewers
        self._now = 1_795_600_000.0
        self._next = 0
        self._present: list[str] = []

    async def run(self, seconds: int) -> Cost:
        engine = await open_database(URL.create("sqlite", database=str(self._folder / "streamer.db")))
        self._audience = Audience(lambda: self._now)
        store = Store(engine, clock=lambda: self._now)
        delivery = Delivery(Spool(self._folder / "spool", 1 << 26), store)
        salts = Salts(engine, Vault([MasterKey(bytes(32))]))
        self._collector = Collector(self._audience, delivery, salts, store, self._folder, "node", 10.0)
        delivering = asyncio.create_task(delivery.run())
        await self._collector.start()
        for _ in range(self._viewers):
            self._come()
        await self._collector.flush()
        await delivery.settled(30)
        steady = await self._beats(seconds, delivery, churn=0)
        churning = await self._beats(seconds, delivery, churn=self._viewers // 100)
        delivering.cancel()
        await asyncio.wait({delivering})
        await engine.dispose()
        return Cost(self._viewers, steady, churning)

    async def _beats(self, seconds: int, delivery: Delivery, churn: int) -> float:
        started = time.process_time()
        for second in range(seconds):
            self._now += 1
            for _ in range(churn):
                self._audience.leave(self._present.pop(0), "the viewer left")
                self._come()
            self._audience.measured(self._snapshot(second))
            for session in self._present[second % _BEACON_EVERY_S :: _BEACON_EVERY_S]:
                self._audience.reported(session, Report(decoded=30 * second, visible_s=second))
            await self._collector.beat()
        await delivery.settled(30)
        return (time.process_time() - started) / seconds

    def _come(self) -> None:
        self._next += 1
        number = self._next
        session = f"{number:012x}"
        arrival = Arrival(
            session,
            f"s{number % 10}",
            self._now,
            "whep",
            viewer=f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}" * 2,
        )
        self._audience.arrive(arrival, number)
        self._audience.watching(session)
        self._present.append(session)

    def _snapshot(self, second: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        rows = np.zeros(len(self._present), COUNTERS)
        rows["peer_id"] = np.arange(self._next - len(self._present) + 1, self._next + 1)
        rows["bytes_sent"] = 300_000 * (second + 1)
        rows["packets_sent"] = 300 * (second + 1)
        rows["rtt_ms"] = 20
        return rows
