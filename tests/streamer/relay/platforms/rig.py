"""Broadcasts at the stand-in platforms, and what an encoder would send them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from auth.platforms.quota import QuotaLedger
from ops.sandbox.faults import Fault, FaultKind
from ops.sandbox.reception import StreamKey
from streamer.relay.platforms.broadcast import Announcement, Broadcast, Ingest
from streamer.relay.platforms.platforms import Platforms
from tests.auth.ground import vault
from tests.rigs.connected import Rig, connected_rig

TOLD = Announcement("Harbour concert", "From the quay")


class Stage:
    """The stand-in with this server's clients; nobody waits, the clock is put forward instead."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.sandbox = rig.sandbox
        self.clock = rig.clock
        self.ledger = QuotaLedger(rig.engine, 10_000, clock=rig.clock.now)
        self.platforms = Platforms(
            rig.connections, rig.fetch, self.ledger, clock=rig.clock.now, sleep=self._sleep
        )

    async def open(self, platform: str, told: Announcement = TOLD, **person: Any) -> Broadcast:
        """A broadcast of an account that is connected for it."""
        record = await self.rig.connect(platform, **person)
        return self.platforms.open(platform, record.id, told)

    def key(self, ingest: Ingest) -> StreamKey:
        """The sink's end of an ingest."""
        app = ingest.url.removeprefix(self.sandbox.addresses.rtmps)
        assert app != ingest.url, ingest.url
        found = self.sandbox.world.keys.find(app, ingest.key)
        assert found is not None
        return found

    def push(self, ingest: Ingest, *, sound: bool = True, gop_ms: int = 2000) -> StreamKey:
        """Codec headers and keyframes arrive, over TLS."""
        key = self.key(ingest)
        key.reception.begin(secure=True)
        key.reception.picture(0, 40, codec="h264")
        if sound:
            key.reception.sound(0, 4, codec="aac")
            key.reception.sound(0, 300)
        for number in range(3):
            key.reception.picture(number * gop_ms, 5000, keyframe=True)
        return key

    def fault(self, platform: str, operation: str, reason: str = "", status: int = 403, **more: Any) -> None:
        """Have a call fail once."""
        kind = more.pop("kind", FaultKind.ERROR)
        fault = Fault(platform, kind, operation, status=status, reason=reason, **more)
        self.sandbox.world.faults.add(fault)

    def status(self, platform: str) -> list[str]:
        """Of everything on a platform."""
        faces = {face.platform.value: face for face in self.sandbox.faces}
        return [each["status"] for each in faces[platform].programmes()]  # type: ignore[attr-defined]

    async def _sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)


@asynccontextmanager
async def stage(engine: AsyncEngine) -> AsyncIterator[Stage]:
    async with connected_rig(engine, vault()) as rig:
        yield Stage(rig)
