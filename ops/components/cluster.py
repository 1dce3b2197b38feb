"""This machine among others: the parts of `streamer.cluster`, hooked to its audience."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from streamer.cluster.batches import Consumer, Queue
from streamer.cluster.link import RedisAway, connect
from streamer.cluster.nodes import Count, Nodes
from streamer.engagement import checkpoint
from streamer.engagement.audience import Audience, Live
from streamer.engagement.batch import Batch
from streamer.engagement.collector import Collector, Delivery
from streamer.engagement.presence import Present, present_in
from streamer.engagement.rescues import as_rescue
from streamer.engagement.store import Store

_log = logging.getLogger(__name__)

# SIGTERM to exit is 5 s in all.
_FAREWELL_S = 0.5
#: Copies are not made more often; whoever asks meanwhile has the same answer.
_ELSEWHERE_FOR_S = 5.0


class Cluster:
    """What a machine shares with others.

    Args:
        url: of Redis.
        node: this machine's name.
        audience: who watches here.
        store: where batches of all machines go.

    Attributes:
        queue: the way of this machine's batches.
    """

    def __init__(self, url: str, node: str, audience: Audience, store: Store) -> None:
        self._redis = connect(url)
        self._audience = audience
        self._store = store
        self.queue = Queue(self._redis)
        self.consumer = Consumer(self._redis, node, self._take)
        self.nodes: Nodes
        self._node = node
        self._delivery: Delivery
        self._elsewhere: list[Present] = []
        self._elsewhere_until = float("-inf")
        self._asking = asyncio.Lock()

    def follow(self, collector: Collector, delivery: Delivery) -> None:
        """Take note of what else there is."""
        self._delivery = delivery
        self.nodes = Nodes(self._redis, self._node, self._counts, collector.copy, self._rescue)
        collector.on_batch.append(lambda _: self.nodes.copy_soon())

    async def run(self) -> None:
        """Share until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.nodes.run())
            group.create_task(self.consumer.run())

    async def close(self) -> None:
        """This machine stops in good order."""
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await self.nodes.leave()
        except (RedisAway, TimeoutError) as error:
            _log.warning("the other machines are not told that this one stops: %s", error)
        await self._redis.aclose()

    def live(self) -> dict[str, Live]:
        """Who watches anywhere, as far as that is known; else who watches here."""
        together = self.nodes.together
        here = self._audience.live()
        if together is None:
            return here
        return {name: Live(count.viewers, count.peak, count.quality) for name, count in together.items()}

    def unique_today(self, stream: str) -> int | None:
        """Different viewers of a stream today; None while that is not known."""
        return self.nodes.unique.get(stream)

    async def elsewhere(self) -> list[Present]:
        """Who watches on other machines, as of some seconds ago; nobody while Redis is away."""
        loop = asyncio.get_running_loop()
        async with self._asking:
            if loop.time() >= self._elsewhere_until:
                try:
                    copies = await self.nodes.copies()
                except RedisAway:
                    copies = []
                self._elsewhere = await asyncio.to_thread(_present_in, copies)
                self._elsewhere_until = loop.time() + _ELSEWHERE_FOR_S
            return self._elsewhere

    def _counts(self) -> dict[str, Count]:
        return {
            name: Count(live.viewers, live.peak, live.quality) for name, live in self._audience.live().items()
        }

    async def _take(self, batches: list[bytes]) -> None:
        parsed: list[Batch] = []
        for data in batches:
            try:
                parsed.append(Batch.parse(data))
            except ValueError as error:
                _log.error("a batch of viewing sessions is spoilt: %s", error)
        await self._store.take_what_can_be(parsed)

    async def _rescue(self, data: bytes) -> None:
        try:
            batch = checkpoint.recover(data)
        except ValueError as error:
            _log.error("what a machine left behind cannot be used: %s", error)
            return
        if batch:
            await self._delivery.put(as_rescue(batch))


def _present_in(copies: Sequence[bytes]) -> list[Present]:
    found: list[Present] = []
    for copy in copies:
        try:
            found += present_in(copy)
        except ValueError as error:
            _log.error("who watches on another machine is not known: %s", error)
    return found
