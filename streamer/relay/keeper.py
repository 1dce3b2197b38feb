"""Writes what relays must remember: one task, so that a database that does not answer holds nobody up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.errors import AuthError
from streamer.relay.memory import Memory, claim, forget, remember
from streamer.relay.relay import Relay

_log = logging.getLogger(__name__)

_AGAIN_S = 1.0
_PATIENCE_S = 5.0
_FAILURES = (AuthError, SQLAlchemyError, OSError, TimeoutError)
# SIGTERM to exit is 5 s in all.
_LAST_PATIENCE_S = 1.0


class MemoryKeeper:
    """Made on the event loop and used there; `run` is owned by one task.

    Args:
        engine: the database.
        node: this machine's name.
        current: the relay that has an id now; None when there is none any more.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        node: str,
        current: Callable[[str], Relay | None],
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._node = node
        self._current = current
        self._clock = clock
        self._changed: dict[str, Relay] = {}
        self._something = asyncio.Event()
        self._writing: asyncio.Task[bool] | None = None

    def note(self, relay: Relay) -> None:
        """Have it written soon; nothing of one that another has replaced."""
        if self._current(relay.id) not in (None, relay):
            return
        self._changed[relay.id] = relay
        self._something.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._something.wait()
            self._something.clear()
            # A transaction that is cancelled holds SQLite's lock for a while, and `close` would wait for it.
            self._writing = asyncio.create_task(self._write())
            if not await asyncio.shield(self._writing):
                await asyncio.sleep(_AGAIN_S)
                self._something.set()

    async def claim(self, relay: Relay) -> Memory:
        """Let this machine relay it; see `memory.claim`. Without the database nobody is asked.

        Raises:
            RelayHeld: another machine does.
        """
        may_take_over = relay.stream.own_publisher is not None
        try:
            async with asyncio.timeout(_PATIENCE_S), self._engine.begin() as connection:
                return await claim(
                    connection, relay.id, self._node, self._clock(), may_take_over=may_take_over
                )
        except _FAILURES as error:
            _log.error("whether another machine relays %s is not known: %s", relay.id, _words(error))
            return relay.memory

    async def close(self, relays: Iterable[Relay]) -> None:
        """Write these, and what was still to be written."""
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=_LAST_PATIENCE_S)
            self._writing.cancel()
        self._changed |= {relay.id: relay for relay in relays}
        await self._write(_LAST_PATIENCE_S)

    async def _write(self, patience_s: float = _PATIENCE_S) -> bool:
        """Write what changed; False when the database did not take it."""
        changed, self._changed = self._changed, {}
        if not changed:
            return True
        try:
            async with asyncio.timeout(patience_s), self._engine.begin() as connection:
                for id, relay in changed.items():
                    current = self._current(id)
                    if current is None:
                        await forget(connection, id)
                    elif current is relay:
                        await remember(connection, relay.memory, self._clock())
        except _FAILURES as error:
            _log.error("what relays must remember cannot be written now: %s", _words(error))
            self._changed = {**changed, **self._changed}
            return False
        return True


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
