"""Ends broadcasts at their platform, also those that it does not let go of at once.

A broadcast that is left running shows its last picture, or nothing, to whoever watches, until somebody
notices. So one that cannot be ended is tried again, by a later process too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from streamer.relay.platforms.broadcast import Broadcast
from streamer.relay.platforms.errors import NeedsReconnect, PlatformError

_log = logging.getLogger(__name__)

_END_S = 15.0
_LONGEST_PAUSE_S = 300.0
# Eight hours; by then platforms have ended it themselves.
_TRIES = 100


class Farewell:
    """Of one relay. Event loop only; `run` is owned by one task.

    Args:
        open_broadcast: makes the platform's side of the relay.
        ids: broadcasts that an earlier process could not end.
        changed: `ids` did.
        first_pause_s: before the second try; doubled each time, up to five minutes.
    """

    def __init__(
        self,
        open_broadcast: Callable[[], Broadcast],
        ids: Iterable[str],
        changed: Callable[[], None],
        first_pause_s: float,
    ) -> None:
        self._open = open_broadcast
        self._left: dict[str, Broadcast | None] = dict.fromkeys(ids)
        self._changed = changed
        self._first_pause_s = first_pause_s
        self._more = asyncio.Event()
        self._fewer = asyncio.Event()

    @property
    def ids(self) -> tuple[str, ...]:
        """Broadcasts that are still to be ended."""
        return tuple(self._left)

    async def end(self, broadcast: Broadcast, id: str) -> str:
        """Try once; if it may work later, `run` tries again.

        Args:
            broadcast: prepared, resumed, or neither.
            id: of the broadcast, if it is neither; "" for none.

        Returns:
            Why it is not ended yet; "" if there is nothing more to do.
        """
        id = broadcast.id or id
        why = await _try(broadcast, id)
        if why and id:
            self._left[id] = broadcast
            self._changed()
            self._more.set()
        return why

    async def wait(self) -> None:
        """Wait until none is left."""
        while self._left:
            self._fewer.clear()
            await self._fewer.wait()

    async def run(self) -> None:
        """Try again until cancelled."""
        while True:
            self._more.clear()
            if not self._left:
                await self._more.wait()
            await self._try_again()

    async def _try_again(self) -> None:
        """Until none is left, or nobody would expect it to work any more."""
        pause_s = self._first_pause_s
        for _ in range(_TRIES):
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            for id, broadcast in list(self._left.items()):
                if not await _try(broadcast or self._open(), id):
                    self._forget(id)
            if not self._left:
                return
        for id in self.ids:
            _log.error("broadcast %s could not be ended and is left to its platform", id)
            self._forget(id)

    def _forget(self, id: str) -> None:
        del self._left[id]
        self._fewer.set()
        self._changed()


async def _try(broadcast: Broadcast, id: str) -> str:
    try:
        async with asyncio.timeout(_END_S):
            if id and not broadcast.id:
                await broadcast.resume(id)
            await broadcast.end()
    except PlatformError as error:
        if error.reason == "over":
            return ""
        _log.warning("broadcast %s could not be ended: %s", id, error)
        return str(error) if error.retryable or isinstance(error, NeedsReconnect) else ""
    except TimeoutError:
        _log.warning("broadcast %s could not be ended: its platform does not answer", id)
        return "the platform does not answer"
    except Exception:  # a bug here must not keep the relay from what is next
        _log.exception("broadcast %s could not be ended", id)
    return ""
