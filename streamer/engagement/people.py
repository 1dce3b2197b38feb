"""What is kept about a person, for him: listed, exported, erased; and the register of who asked for that.

A person is an account. Viewers who were not logged in cannot be asked about: nothing here leads from anybody
to their pseudonyms, which is the point of them. Requests must be answered within 30 days (GDPR, article 12);
the register tells which are due.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from streamer.engagement import checkpoint
from streamer.engagement.batch import DAY_S, Batch
from streamer.engagement.spool import Spool
from streamer.engagement.store import overwrite
from streamer.engagement.tables import requests, sessions

DEADLINE_S = 30 * DAY_S
_MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody asked to have his data.

    Attributes:
        kind: "export" or "erase".
        subject: the account's name; "" once he is erased.
        due_at: when it must be done.
        completed_at: None until it is.
    """

    id: str
    kind: str
    subject: str
    requested_at: float
    due_at: float
    completed_at: float | None
    note: str


class Register:
    """Who asked for what, and whether it was done.

    Args:
        engine: the database.
        clock: seconds since 1970.
    """

    def __init__(self, engine: AsyncEngine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    async def enter(self, kind: str, subject: str, note: str = "") -> Request:
        """Somebody asks for something."""
        now = self._clock()
        request = Request(secrets.token_hex(8), kind, subject[:128], now, now + DEADLINE_S, None, note[:1000])
        async with self._engine.begin() as connection:
            values = {name: getattr(request, name) for name in Request.__slots__}
            await connection.execute(insert(requests).values(**values))
        return request

    async def complete(self, request_id: str, *, forget: str = "") -> bool:
        """It was done; False when there is no such request.

        Args:
            request_id: which.
            forget: an account's name that no request may mention any more.
        """
        async with self._engine.begin() as connection:
            await overwrite(connection)
            done = update(requests).where(requests.c.id == request_id).values(completed_at=self._clock())
            found = (await connection.execute(done)).rowcount > 0
            if forget:
                of_him = update(requests).where(requests.c.subject == forget)
                await connection.execute(of_him.values(subject="", note=""))
        return found

    async def all(self, *, only_open: bool = False) -> list[Request]:
        """The requests, those that are due first first."""
        wanted = select(requests).order_by(requests.c.due_at)
        if only_open:
            wanted = wanted.where(requests.c.completed_at.is_(None))
        async with self._engine.connect() as connection:
            return [Request(**row) for row in (await connection.execute(wanted)).mappings()]

    async def overdue(self) -> int:
        """How many should have been done by now."""
        now = self._clock()
        return sum(request.due_at < now for request in await self.all(only_open=True))


async def sessions_of(engine: AsyncEngine, account_id: str) -> list[dict[str, Any]]:
    """The viewing sessions that a person had while logged in, the oldest first."""
    wanted = select(sessions).where(sessions.c.account == account_id).order_by(sessions.c.started_at)
    async with engine.connect() as connection:
        return [dict(row) for row in (await connection.execute(wanted)).mappings()]


async def erase_sessions(connection: AsyncConnection, account_id: str) -> int:
    """Delete them, in the transaction that deletes everything else of him; how many there were."""
    await overwrite(connection)
    return (await connection.execute(delete(sessions).where(sessions.c.account == account_id))).rowcount


async def sweep(engine: AsyncEngine) -> None:
    """Have SQLite write over what its log still holds of what was deleted."""
    if engine.dialect.name != "sqlite":
        return
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        assert raw.driver_connection is not None
        await connection.rollback()
        await raw.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def erase_spooled(spool: Spool, account_id: str) -> int:
    """Take a person's sessions out of batches on disk; in how many they were. Reads and writes files."""
    found = 0
    for id, data in spool.oldest(_MANY):
        cleaned = without(data, account_id)
        if cleaned is not None:
            spool.rewrite(id, cleaned)
            found += 1
    return found


def erase_copied(path: Path, account_id: str) -> bool:
    """Take a person out of the copy of the audience that a killed server left; whether he was in it."""
    try:
        cleaned = checkpoint.without(path.read_bytes(), account_id)
    except FileNotFoundError:
        return False
    if cleaned is not None:
        checkpoint.write(path, cleaned)
    return cleaned is not None


def without(data: bytes, account_id: str) -> bytes | None:
    """A batch without a person's sessions; None when there are none in it."""
    if account_id.encode() not in data:
        return None
    try:
        batch = Batch.parse(data)
    except ValueError:
        return None
    kept = [session for session in batch.sessions if session["account"] != account_id]
    return Batch(batch.id, batch.node, batch.minute, batch.added, kept).serialize()
