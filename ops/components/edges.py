"""This machine's streams for the others, and theirs for this one: what `cluster` hears, `ingest` fetches."""

from __future__ import annotations

import asyncio
import logging

from streamer.cluster.link import RedisAway, connect
from streamer.cluster.origins import Origin, Origins
from streamer.errors import NoSuchStream
from streamer.hub.registry import Registry
from streamer.ingest.edge import EdgeIngest, Machine
from streamer.sections.cluster import ClusterConfig
from transport.srt import SrtOptions

_log = logging.getLogger(__name__)

# SIGTERM to exit is 5 s in all.
_FAREWELL_S = 0.5


class Edges:
    """Built before streams are configured.

    Args:
        url: of Redis.
        config: with a secret.
        options: of SRT connections.
        node: this machine's name.
        registry: the streams.
    """

    def __init__(
        self, url: str, config: ClusterConfig, options: SrtOptions, node: str, registry: Registry
    ) -> None:
        assert config.secret is not None
        self._registry = registry
        self._redis = connect(url)
        self._origins = Origins(self._redis, node, config.advertise, self._here, self._comes, self._heard)
        self._ingest = EdgeIngest(options, config.secret.get_secret_value(), node, self._find)
        registry.on_add.append(self._ingest.follow)
        registry.on_remove.append(self._ingest.forget)

    async def run(self) -> None:
        """Say and hear until cancelled."""
        await self._origins.run()

    async def close(self) -> None:
        """This machine stops in good order."""
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await self._origins.leave()
        except (RedisAway, TimeoutError) as error:
            _log.warning("the other machines are not told that streams end here: %s", error)
        await self._redis.aclose()
        await asyncio.to_thread(self._ingest.close)

    def _here(self) -> dict[str, float]:
        return {
            stream.name: publisher.since
            for stream in self._registry
            if stream.config.is_published and (publisher := stream.own_publisher) is not None
        }

    def _find(self, stream: str) -> tuple[Machine, ...]:
        return tuple(_machine(origin) for origin in self._origins.elsewhere.get(stream, ()))

    def _comes(self, stream: str, origin: Origin) -> bool:
        try:
            return self._ingest.comes(self._registry.find(stream), _machine(origin))
        except NoSuchStream:
            return False

    def _heard(self) -> None:
        for stream in self._registry:
            self._ingest.look(stream)


def _machine(origin: Origin) -> Machine:
    return Machine(origin.node, origin.address, origin.since)
