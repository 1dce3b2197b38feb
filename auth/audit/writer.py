"""Brings events to the audit log: one writer, which puts many into one transaction and keeps their order.

Nothing is lost silently. Who can wait, waits a while for room and for the database. A thread that cannot wait
is told when there was no room, the log says how many events that were, and they are in the program's own log.
While the database does not answer the writer keeps what it has and tries again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.audit.entries import Event, Outcome, append
from auth.errors import AuthUnavailable
from auth.vault.vault import Vault

_log = logging.getLogger(__name__)

#: What an entry says when there had been no room for events.
LOST = "audit.lost"
_BATCH = 256
_RETRY_S = (0.1, 0.5, 1.0, 2.0, 5.0)


@dataclass(slots=True)
class _Waiting:
    event: Event
    written: asyncio.Future[None] | None = None
    may_wait: bool = False


class AuditLog:
    """The queue and its writer. Made on the event loop; `note` from any thread.

    Args:
        engine: the database.
        vault: signs the log's head.
        max_queued: events that wait to be written.
        clock: seconds since 1970.
        patience_s: how long `record` waits.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        vault: Vault,
        max_queued: int = 10_000,
        clock: Callable[[], float] = time.time,
        patience_s: float = 5.0,
    ) -> None:
        self.lost = 0
        self._patience_s = patience_s
        self._engine = engine
        self._vault = vault
        self._max_queued = max_queued
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._queue: deque[_Waiting] = deque()
        self._lost_unsaid = 0
        self._room: deque[asyncio.Future[None]] = deque()
        self._something = asyncio.Event()
        self._closing = False
        self._why_not = ""

    @property
    def queued(self) -> int:
        """Events that wait to be written."""
        return len(self._queue)

    async def record(self, event: Event) -> None:
        """Have an event written; returns when it is.

        Raises:
            AuthUnavailable: it is not yet, and will be when the database answers again.
        """
        written: asyncio.Future[None] = self._loop.create_future()
        try:
            async with asyncio.timeout(self._patience_s):
                await self._put(_Waiting(self._dated(event), written))
                await written
        except TimeoutError:
            raise AuthUnavailable("the audit log cannot be written now") from None

    async def entrust(self, event: Event) -> None:
        """Have an event written; returns when it is, or when it waits its turn as the database takes nothing.

        Raises:
            AuthUnavailable: there is no room for what waits.
        """
        written: asyncio.Future[None] = self._loop.create_future()
        try:
            async with asyncio.timeout(self._patience_s):
                await self._put(_Waiting(self._dated(event), written, may_wait=True))
        except TimeoutError:
            raise AuthUnavailable("the audit log cannot be written now") from None
        if not self._why_not:
            await asyncio.wait([written], timeout=self._patience_s)

    async def put(self, event: Event) -> None:
        """Have an event written soon. Waits for room only."""
        await self._put(_Waiting(self._dated(event)))

    def note(self, event: Event) -> bool:
        """Have an event written soon, from any thread and without waiting; False when there was no room."""
        dated = self._dated(event)
        with self._lock:
            room = len(self._queue) < self._max_queued
            if room:
                self._queue.append(_Waiting(dated))
            else:
                self.lost += 1
                self._lost_unsaid += 1
        if not room:
            _log.error("the audit log has no room for: %s %s on %r", dated.what, dated.outcome, dated.target)
        self._loop.call_soon_threadsafe(self._something.set)
        return room

    async def run(self) -> None:
        """Write until `close`; owned by one task."""
        while True:
            await self._something.wait()
            self._something.clear()
            while batch := self._take():
                await self._write(batch)
            if self._closing:
                return

    async def close(self) -> None:
        """Have `run` write what waits and return. Who puts after this is not served."""
        self._closing = True
        self._something.set()

    def give_up(self) -> int:
        """The server stops and the database does not answer: tell the program's log what is not written."""
        with self._lock:
            waiting = list(self._queue)
            self._queue.clear()
        for entry in waiting:
            event = entry.event
            _log.error(
                "not in the audit log: %s by %r on %r: %s", event.what, event.who, event.target, event.outcome
            )
            if entry.written is not None and not entry.written.done():
                entry.written.cancel()
        return len(waiting)

    def _dated(self, event: Event) -> Event:
        return event if event.at is not None else replace(event, at=self._clock())

    async def _put(self, waiting: _Waiting) -> None:
        while True:
            with self._lock:
                if len(self._queue) < self._max_queued:
                    self._queue.append(waiting)
                    break
                room: asyncio.Future[None] = self._loop.create_future()
                self._room.append(room)
            await room
        self._something.set()

    def _take(self) -> list[_Waiting]:
        """What is to be written next; it stays in the queue, and counts there, until it is written."""
        with self._lock:
            batch = [self._queue[index] for index in range(min(_BATCH, len(self._queue)))]
            if self._lost_unsaid:
                event = Event(
                    "@server",
                    LOST,
                    outcome=Outcome.FAILED,
                    details={"count": self._lost_unsaid},
                    at=self._clock(),
                )
                self._lost_unsaid = 0
                batch.append(_Waiting(event))
                self._queue.insert(len(batch) - 1, batch[-1])
        return batch

    async def _write(self, batch: list[_Waiting]) -> None:
        attempt = 0
        while True:
            try:
                async with self._engine.begin() as connection:
                    events = [waiting.event for waiting in batch]
                    await append(connection, self._vault, events, self._clock())
                break
            except (SQLAlchemyError, AuthUnavailable, OSError) as error:
                pause_s = _RETRY_S[min(attempt, len(_RETRY_S) - 1)]
                # Of the others the text may quote what was to be written.
                why = str(error) if isinstance(error, AuthUnavailable | OSError) else type(error).__name__
                self._put_off(why)
                attempt += 1
            await asyncio.sleep(pause_s)
        if self._why_not:
            _log.warning("the audit log is written again; %d entries had to wait", self.queued)
            self._why_not = ""
        with self._lock:
            for _ in batch:
                self._queue.popleft()
            freed, self._room = self._room, deque()
        for waiting in batch:
            if waiting.written is not None and not waiting.written.done():
                waiting.written.set_result(None)
        for room in freed:
            if not room.done():
                room.set_result(None)

    def _put_off(self, why: str) -> None:
        # Once, not with every try: the log may be on the disk that is full.
        if why != self._why_not:
            _log.error("the audit log cannot be written, and is tried again until it can: %s", why)
        self._why_not = why
        with self._lock:
            patient = [waiting.written for waiting in self._queue if waiting.may_wait]
        for written in patient:
            if written is not None and not written.done():
                written.set_result(None)
