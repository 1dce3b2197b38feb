"""Many machines at once: real audiences, queues and store over a real Redis; made-up viewers."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL

from auth.vault.vault import MasterKey, Vault
from ops.components.cluster import Cluster
from ops.storage.database import open_database
from streamer.engagement.audience import Audience
from streamer.engagement.collector import Collector, Delivery
from streamer.engagement.privacy import Salts
from streamer.engagement.queries import Queries
from streamer.engagement.session import Arrival
from streamer.engagement.spool import Spool
from streamer.engagement.store import Store

_STREAMS = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was reported, and what was so.

    Attributes:
        counted: viewers that every machine saw, live.
        people: how many different ones there were; `unique` by Redis, `unique_sql` by the database.
    """

    nodes: int
    viewers: int
    people: int
    counted: int
    unique: int
    unique_sql: int
    plays: int
    watch_s: float
    truth_s: float
    seconds: float


class _Node:
    def __init__(self, folder: Path, name: str, url: str, store: Store, salts: Salts, clock: _Clock) -> None:
        folder.mkdir()
        self.audience = Audience(clock)
        self.cluster = Cluster(url, name, self.audience, store)
        self.delivery = Delivery(Spool(folder / "spool", 1 << 28), store, self.cluster.queue)
        self.collector = Collector(self.audience, self.delivery, salts, store, folder, name, 10.0)
        self.cluster.follow(self.collector, self.delivery)


class _Clock:
    def __init__(self) -> None:
        # The middle of an hour: everything is in one.
        self.now = time.time() // 3600 * 3600 + 1800

    def __call__(self) -> float:
        return self.now


async def simulate(url: str, nodes: int, viewers: int) -> Outcome:
    """Let viewers come to all machines, watch for two minutes and go; a quarter of them watch twice."""
    began = time.monotonic()
    clock = _Clock()
    start = clock.now
    with tempfile.TemporaryDirectory() as folder:
        engine = await open_database(URL.create("sqlite", database=f"{folder}/streamer.db"))
        store = Store(engine, clock=clock)
        salts = Salts(engine, Vault([MasterKey(bytes(32))]))
        all_nodes = [
            _Node(Path(folder) / f"node{index}", f"node{index}", url, store, salts, clock)
            for index in range(nodes)
        ]
        people = viewers * 4 // 5
        tasks = [asyncio.create_task(node.delivery.run()) for node in all_nodes]
        tasks += [asyncio.create_task(node.cluster.consumer.run()) for node in all_nodes]
        for number in range(viewers):
            _come(all_nodes[number % nodes], number, number % people, clock.now)
            if number % 5000 == 0:
                await asyncio.sleep(0)
        for node in all_nodes:
            await node.cluster.nodes.beat()
        for minute in range(2):
            clock.now = start + 60 * (minute + 1) - 1
            for node in all_nodes:
                await node.collector.flush()
        for number in range(viewers):
            all_nodes[number % nodes].audience.leave(f"{number}", "the viewer left")
        seen = all_nodes[0]
        seen.cluster.nodes._counted_at = float("-inf")
        await seen.cluster.nodes.beat()
        counted = seen.cluster.nodes.together
        highest = max((count.peak for name, count in (counted or {}).items() if name == ""), default=0)
        unique = sum(count for name, count in seen.cluster.nodes.unique.items() if name != "")
        clock.now += 5
        for node in all_nodes:
            await node.collector.flush(linger_s=0.0)
        for node in all_nodes:
            assert await node.delivery.settled(300), "a batch did not arrive"
        told = await Queries(engine, Audience(clock), clock=clock).summary("", start - 86_400, start + 3600)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for node in all_nodes:
            await node.cluster.close()
        await engine.dispose()
    return Outcome(
        nodes, viewers, people, highest, unique, told.unique_viewers, int(told.numbers["plays"]),
        told.numbers["watch_s"], viewers * 119.0, time.monotonic() - began,
    )  # fmt: skip


def _come(node: _Node, number: int, person: int, now: float) -> None:
    # As random as the pseudonyms it stands for: counting rests on that.
    viewer = hashlib.blake2b(f"{person}".encode(), digest_size=8).hexdigest()
    stream = f"s{person % _STREAMS}"
    node.audience.arrive(Arrival(f"{number}", stream, now, "whep", viewer=viewer * 2), number)
    node.audience.watching(f"{number}")
    node.cluster.nodes.seen(stream, viewer)
