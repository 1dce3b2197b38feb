"""What those who keep sessions have in common, whichever way media flows: tasks, and why sessions ended."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine

_log = logging.getLogger(__name__)

_REMEMBERED = 1000


class Endings:
    """Why sessions ended, by their keys, for who still asks for one. The last thousand."""

    def __init__(self) -> None:
        self._reasons: OrderedDict[str, str] = OrderedDict()

    def note(self, key: str, reason: str) -> None:
        """A session ended."""
        self._reasons[key] = reason
        while len(self._reasons) > _REMEMBERED:
            self._reasons.popitem(last=False)

    def reason(self, key: str) -> str:
        """Why a session ended; "" for one that is not remembered, or never was."""
        return self._reasons.get(key, "")

    def describe(self, key: str) -> str:
        """What to answer who asks for it, as a sentence."""
        reason = self._reasons.get(key)
        return f"this session has ended: {reason}" if reason else "this session has ended, or never was"


class Errands:
    """Tasks whose end nobody waits for until everything ends. Event loop only.

    Args:
        what: is in the log when one fails.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[None, None, None]) -> None:
        """Begin one."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    async def settle(self, timeout_s: float) -> None:
        """Wait until all are done, or the time is over."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)

    async def cancel(self) -> None:
        """End those that are not done."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s failed", self._what, exc_info=error)
