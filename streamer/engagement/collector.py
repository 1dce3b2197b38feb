"""The beat: each second it keeps a copy of the table, every few seconds it cuts off a batch and spools it.

`Delivery` takes batches from the spool to the database, at once or by way of a carrier (`streamer.cluster`),
and tries again for as long as it takes. Neither ever makes a viewer, or media, wait.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from auth.errors import AuthError
from streamer.engagement import checkpoint
from streamer.engagement.audience import Audience
from streamer.engagement.batch import MINUTE_S, Batch, cut
from streamer.engagement.checkpoint import Copier, Place
from streamer.engagement.privacy import Salts
from streamer.engagement.spool import Spool
from streamer.engagement.store import Store

_log = logging.getLogger(__name__)

#: The file with the copy of the table.
COPY = "audience"

#: Beats come at least so often, whether or not anything is measured.
_BEAT_S = 1.5
_EXPIRE_EVERY_S = 3600.0
_AT_ONCE = 20
_RETRY_S = (0.2, 1.0, 2.0, 5.0)
#: What a carrier took and the database does not have after this long is sent again.
_RESEND_S = 15.0
_ASK_EVERY_S = 0.2
#: What a database that does not answer looks like, and a carrier.
_AWAY = (SQLAlchemyError, AuthError, OSError, TimeoutError)


class Carrier(Protocol):
    """Brings batches to a machine that puts them into the database."""

    async def send(self, batches: Sequence[tuple[str, bytes]]) -> None:
        """Take them; may bring one twice.

        Raises:
            OSError: it cannot now.
        """


class Delivery:
    """From the spool into the database.

    Args:
        carrier: by which way; None for directly.
    """

    def __init__(self, spool: Spool, store: Store, carrier: Carrier | None = None) -> None:
        self.spool = spool
        self._store = store
        self._carrier = carrier
        self._lock = asyncio.Lock()
        self._something = asyncio.Event()
        self._idle = asyncio.Event()
        self._sent: dict[str, float] = {}
        self._something.set()

    async def put(self, batch: Batch) -> None:
        """Keep a batch until it is delivered."""
        data = await asyncio.to_thread(batch.serialize)
        async with self._lock:
            await asyncio.to_thread(self.spool.put, batch.id, data)
        self._idle.clear()
        self._something.set()

    async def settled(self, timeout_s: float) -> bool:
        """Wait until everything is delivered, but not for ever."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Deliver until cancelled."""
        attempt = 0
        while True:
            await self._something.wait()
            self._something.clear()
            try:
                await self._deliver()
                attempt = 0
                if not len(self.spool):
                    self._idle.set()
                    continue
                pause_s = _ASK_EVERY_S
            except Exception as error:  # whatever it is must not end the delivery of all that follows
                if attempt == 0:
                    # A database's own error shows all of the statement.
                    why = getattr(error, "orig", error)
                    _log.warning(
                        "viewing sessions wait on disk: %s", why, exc_info=not isinstance(error, _AWAY)
                    )
                pause_s = _RETRY_S[min(attempt, len(_RETRY_S) - 1)]
                attempt += 1
            await asyncio.sleep(pause_s)
            self._something.set()

    async def _deliver(self) -> None:
        async with self._lock:
            waiting = await asyncio.to_thread(self.spool.oldest, _AT_ONCE)
        if not waiting:
            return
        if self._carrier is None:
            done = {id for id, _ in waiting}
            batches = [batch for id, data in waiting if (batch := _parsed(id, data)) is not None]
            await self._store.take_what_can_be(batches)
        else:
            done = await self._store.taken(id for id, _ in waiting)
            now = time.monotonic()
            due = [
                (id, data)
                for id, data in waiting
                if id not in done and now - self._sent.get(id, -_RESEND_S) >= _RESEND_S
            ]
            if due:
                await self._carrier.send(due)
                self._sent |= {id: now for id, _ in due}
        if done:
            async with self._lock:
                await asyncio.to_thread(self.spool.remove, done)
            for id in done:
                self._sent.pop(id, None)


class Collector:
    """Cuts batches off an audience.

    Args:
        folder: for the copy of the table.
        flush_s: between two batches.

    Attributes:
        on_batch: told of every batch.
    """

    def __init__(
        self,
        audience: Audience,
        delivery: Delivery,
        salts: Salts,
        store: Store,
        folder: Path,
        node: str,
        flush_s: float,
    ) -> None:
        self.audience = audience
        self.on_batch: list[Callable[[Batch], None]] = []
        self._delivery = delivery
        self._salts = salts
        self._store = store
        self._path = folder / COPY
        self._copier = Copier(audience)
        self._node = node
        self._boot = f"{node}.{secrets.token_hex(4)}"
        self._number = 1
        self._flush_s = flush_s
        self._minute = _minute(audience.clock())
        self._cut_at = audience.clock()
        self._cutting = asyncio.Lock()
        self._copying = asyncio.Lock()
        self._is_unwritten = False
        self._measured = asyncio.Event()

    async def start(self) -> None:
        """Before anybody comes: agree on today's salt, take up what a process left that was killed."""
        await self._renew()
        if not self._path.exists():
            return
        try:
            batch = checkpoint.recover(await asyncio.to_thread(self._path.read_bytes))
        except ValueError as error:
            _log.error("%s cannot be used: %s", self._path, error)
        else:
            if batch:
                _log.warning("%d viewing sessions of a server that was killed are kept", len(batch.sessions))
                await self._delivery.put(batch)
        self._path.unlink()

    async def run(self) -> None:
        """Beat until cancelled."""
        expired_at = float("-inf")
        while True:
            await self.beat()
            if time.monotonic() - expired_at > _EXPIRE_EVERY_S:
                expired_at = time.monotonic()
                try:
                    await self._store.expire()
                except _AWAY as error:
                    _log.warning("what is too old of viewing sessions could not be deleted: %s", error)
            with suppress(TimeoutError):
                async with asyncio.timeout(_BEAT_S):
                    await self._measured.wait()
            self._measured.clear()

    def measured(self) -> None:
        """The counters are of now: beat, so that a cut at the end of a minute has all of it and no more."""
        self._measured.set()

    async def beat(self) -> None:
        """What is to be done every second."""
        set_s = self.audience.keep_time()
        if set_s:
            self._cut_at += set_s
            _log.warning("the clock was set by %+.0f s; viewing sessions keep their lengths", set_s)
        now = self.audience.clock()
        await self._renew()
        if _minute(now) != self._minute or now - self._cut_at >= self._flush_s:
            await self.flush()
        await self._copy()

    async def flush(self, *, linger_s: float = 2.0, min_age_s: float = 0.0) -> bool:
        """Cut off what there is and have it delivered; whether there was anything.

        Args:
            linger_s: how long sessions are waited for that ended.
            min_age_s: a cut that is younger will do.
        """
        async with self._cutting:
            now = self.audience.clock()
            if now - self._cut_at < min_age_s:
                return False
            self._cut_at = now
            batch = cut(
                self.audience,
                f"{self._boot}.{self._number}",
                self._node,
                self._minute,
                now,
                linger_s=linger_s,
            )
            self._minute = _minute(now)
            if batch:
                self._number += 1
                for tell in self.on_batch:
                    tell(batch)
                await self._delivery.put(batch)
            return bool(batch)

    async def settle(self, timeout_s: float = 1.0) -> None:
        """Have the database know what happened until now, so that it can be asked."""
        if await self.flush(min_age_s=0.5):
            # The copy before is of a batch that is cut off now: who ended with it would count nowhere.
            await self._copy()
        await self._delivery.settled(timeout_s)

    async def close(self, timeout_s: float) -> None:
        """The last batch; everybody has left."""
        await self.flush(linger_s=0.0)
        await self._copy()
        await self._delivery.settled(timeout_s)

    async def _renew(self) -> None:
        try:
            await self._salts.renew(self.audience.clock())
        except _AWAY as error:
            _log.warning("viewers cannot be told apart: %s", error)

    def copy(self) -> bytes:
        """The table as it is, see `checkpoint.py`."""
        place = Place(self._node, self._boot, self._number, self._minute, self.audience.clock())
        return self._copier.copy(place)

    async def _copy(self) -> None:
        async with self._copying:
            try:
                await asyncio.to_thread(checkpoint.write, self._path, self.copy())
            except OSError as error:
                # Once, not every second: the log may be on the disk that is full.
                if not self._is_unwritten:
                    _log.error("the audience cannot be kept on disk: %s", error)
                self._is_unwritten = True
            else:
                if self._is_unwritten:
                    _log.warning("the audience is kept on disk again")
                self._is_unwritten = False


def _minute(now: float) -> int:
    return int(now) // MINUTE_S * MINUTE_S


def _parsed(id: str, data: bytes) -> Batch | None:
    try:
        return Batch.parse(data)
    except ValueError as error:
        _log.error("batch %s of viewing sessions is spoilt: %s", id, error)
        return None
