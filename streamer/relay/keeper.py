"""Writes what relays must remember: one task, so that a database that does not answer holds nobody up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.errors import AuthError
from streamer.relay.memory import forget, remember
from streamer.relay.relay import Relay

_log = logging.getLogger(__name__)

_AGAIN_S = 1.0
_PATIENCE_S = 5.0
# SIGTERM to exit is 5 s in all.
_LAST_PATIENCE_S = 1.0


class MemoryKeeper:
    """Made on the event loop and used there; `run` is owned by one task.

    Args:
        engine: the database.
        current: the relay that has an id now; None when there is none any more.
        clock: seconds since 1970.
    """

    def __init__(
        self, engine: AsyncEngine, current: Callable[[str], Relay | None], clock: Callable[[], float]
    ) -> None:
        self._engine = engine
        self._current = current
        self._clock = clock
        self._changed: dict[str, Relay] = {}
        self._something = asyncio.Event()

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
            if not await self._write():
                await asyncio.sleep(_AGAIN_S)
                self._something.set()

    async def close(self, relays: Iterable[Relay]) -> None:
        """Write these, and what was still to be written."""
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
        except (AuthError, SQLAlchemyError, OSError, TimeoutError) as error:
            _log.error("what relays must remember cannot be written now: %s", error or type(error).__name__)
            self._changed = {**changed, **self._changed}
            return False
        except asyncio.CancelledError:
            self._changed = {**changed, **self._changed}
            raise
        return True
