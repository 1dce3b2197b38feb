"""A door with a database behind it, on an event loop of its own, for tests that live in threads."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from auth.permissions.actions import Action
from auth.permissions.limits import Limits
from auth.tokens.tokens import TokenOrder
from ops.identity.identity import Guard, Identity, open_identity
from streamer.config import parse


class Doorkeeper:
    """Open until `close`."""

    identity: Identity
    guard: Guard

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(20)

    def token(self, action: Action, stream: str, lifetime_s: float = 60.0, *, once: bool = False) -> str:
        order = TokenOrder(frozenset({action}), (stream,), lifetime_s, limits=Limits.of(once=once))
        authority = self.identity.authority
        return authority.tokens.issue(authority.snapshot.ring, order, self.identity.clock()).token

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        self.identity = await open_identity(parse({"state": {"dir": self._state_dir}}))
        self.guard = Guard(self.identity)
        self._following = asyncio.create_task(self.guard.run())

    async def _close(self) -> None:
        self._following.cancel()
        await asyncio.wait({self._following})
        await self.guard.close()
        await self.identity.close()
