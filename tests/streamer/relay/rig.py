"""Relays over real pushes to a server in this process, of a stream that is fed from a task."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.vault.vault import MasterKey, Vault
from streamer.config import parse
from streamer.hub.registry import Registry
from streamer.hub.stream import Publication, Publisher, Stream
from streamer.relay.attendance import Pace
from streamer.relay.destination import Destination, Platform, Settings
from streamer.relay.keeper import MemoryKeeper
from streamer.relay.look import Look
from streamer.relay.machine import State
from streamer.relay.platforms.broadcast import Broadcast, Ingest
from streamer.relay.platforms.custom import CustomBroadcast
from streamer.relay.relay import Relay, Tools
from streamer.relay.relays import Relays
from tests.fakes.broadcast import FakePlatform
from tests.fakes.wait import until
from tests.transport.media.sources import picture_units, sound_units, tone
from transport.media import AccessUnit, Codec
from transport.media.still import Still, make_still
from transport.output import Push, PushOptions
from transport.push import push_to

FPS = 25
KEY = "stream-key-123456"
VAULT = Vault([MasterKey(bytes(32))])


@lru_cache
def programme(audio: bool = True) -> tuple[AccessUnit, ...]:
    """Two seconds of picture, a keyframe each, and sound."""
    pictures = picture_units(Codec.H264, 2 * FPS, width=64, height=64, options={"g": str(FPS)})
    sounds = sound_units(Codec.AAC, tone(2.0, 48_000), 48_000) if audio else []
    return tuple(sorted(pictures + sounds, key=lambda unit: unit.dts_s))


class Encoder:
    """Publishes the programme again and again, at its pace, until `leave`."""

    def __init__(self, stream: Stream, *, audio: bool = True) -> None:
        self._publication: Publication = stream.publish(Publisher(str(id(self)), "srt", "192.0.2.1:4000"))
        self._units = programme(audio)
        self._task = asyncio.create_task(self._run())

    async def leave(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})
        self._publication.close("hung up")

    async def _run(self) -> None:
        began, round_ = time.monotonic(), 0
        first = self._units[0].dts_s
        while True:
            for unit in self._units:
                at_s = unit.dts_s - first + round_ * 2.0
                wait_s = began + at_s - time.monotonic()
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                shift = round(round_ * 2.0 * unit.track.clock_rate)
                self._publication.write(
                    dataclasses.replace(
                        unit, pts=unit.pts + shift, dts=unit.dts + shift, received_at=time.monotonic()
                    )
                )
            round_ += 1


class RelayRig:
    """Use within an event loop: `open`, then `close`.

    Args:
        engine: an empty database; another rig on it is another server.
        relays: of the stream "cam" in the configuration.
        platform: of destinations that are no custom ones.
        node: this server's name.
        clock: its seconds since 1970.
        stream: more of its table.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        relays: list[dict[str, Any]] | None = None,
        platform: FakePlatform | None = None,
        node: str = "one",
        clock: Callable[[], float] = time.time,
        **stream: Any,
    ) -> None:
        self._node = node
        self.engine = engine
        self.platform = platform
        self.registry = Registry()
        self.configure(relays or [], **stream)
        self.concealed: list[str] = []
        self.relays = Relays(self.registry, engine, VAULT, self._tools, clock, node)
        self.stream = self.registry.find("cam")
        self._task: asyncio.Task[None] | None = None

    def configure(self, relays: list[dict[str, Any]], **stream: Any) -> None:
        self.registry.apply(parse({"streams": {"cam": {"relays": relays, **stream}}}).streams)

    async def open(self) -> RelayRig:
        self._task = asyncio.create_task(self.relays.run())
        await until(lambda: self.relays.is_ready, "the relays to be read")
        return self

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def keep(self, **settings: Any) -> Relay:
        """A destination in the database."""
        key = settings.pop("key", "")
        name = settings.pop("name", "kept")
        made = Destination(
            id=f"id-of-{name}", stream="cam", name=name, settings=Settings(**settings), key=SecretStr(key)
        )
        await self.relays.add(made)
        return self.relays.find(made.id)

    async def on_air(self, **settings: Any) -> tuple[Relay, Encoder]:
        """A destination in the database that is live, and who publishes."""
        relay = await self.keep(**settings)
        encoder = Encoder(self.stream)
        self.relays.start(relay.id)
        return await self.until(State.LIVE, id=relay.id), encoder

    def relay(self, id: str = "cam:127.0.0.1") -> Relay:
        return self.relays.find(id)

    async def until(self, *states: State, id: str = "cam:127.0.0.1") -> Relay:
        await until(lambda: self.relay(id).state in states, f"{id} to be {states}")
        return self.relay(id)

    def _tools(self, keeper: MemoryKeeper) -> Tools:
        def open_push(destination: Destination, ingest: Ingest, options: PushOptions) -> Push:
            return push_to(ingest.url, ingest.key, options)

        def open_broadcast(destination: Destination, stream: Stream) -> Broadcast:
            if destination.settings.platform is Platform.CUSTOM:
                return CustomBroadcast(destination.settings.url, destination.key.get_secret_value())
            assert self.platform is not None
            return self.platform.open()

        async def still(look: Look, image: Path | None) -> Still:
            return await asyncio.to_thread(make_still, look.codec, look.width, look.height, look.rate, image)

        return Tools(
            open_push,
            open_broadcast,
            still,
            keeper.note,
            keeper.claim,
            self._node,
            self.concealed.append,
            pace=Pace(first_s=0.05, least_s=0.05),
            end_again_s=0.1,
        )
