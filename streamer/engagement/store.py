"""Puts batches into the database, each exactly once, and deletes what is too old.

A batch's name goes into the same transaction as what it adds, and every session has a name of its own: what
is delivered twice changes nothing. What another machine rescued gives way to what its own machine says.
Writers take turns, as they add to the same rows.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Table, delete, func, select, text, tuple_
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.errors import AuthError
from auth.storage.tables import principals
from auth.storage.transactions import upsert
from streamer.engagement.batch import DAY_S, HOUR_S, Added, Batch, Share
from streamer.engagement.checkpoint import KILLED
from streamer.engagement.rescues import sort_out
from streamer.engagement.session import COUNTED
from streamer.engagement.sketch import Durations, Scores, Sketch
from streamer.engagement.tables import DAY, HOUR, MINUTE, batches, buckets, sessions, shares
from streamer.engagement.uniques import Uniques

_log = logging.getLogger(__name__)

# Any number that nobody else locks.
_LOCK = 0x65_6E_67_61_67_65
_AT_ONCE = 200
#: What a database that does not answer looks like, and a carrier.
AWAY = (OperationalError, InterfaceError, AuthError, OSError, TimeoutError)
_SUMMED = ("plays", "failed", "ended", *COUNTED)

BucketKey = tuple[str, int, int, str]
ShareKey = tuple[str, int, str, str]


@dataclass(frozen=True, slots=True)
class Retention:
    """For how long what is kept; the rows by day are kept for good."""

    sessions_s: float = 30 * DAY_S
    minutes_s: float = 7 * DAY_S
    hours_s: float = 400 * DAY_S


KEPT = Retention()


def _sketches() -> dict[str, Sketch]:
    return {"starts": Sketch(), "qualities": Scores(), "watched": Durations()}


@dataclass(slots=True)
class Sum:
    """A bucket, or what is to be added to one."""

    numbers: dict[str, float] = dataclasses.field(default_factory=lambda: dict.fromkeys(_SUMMED, 0))
    sketches: dict[str, Sketch] = dataclasses.field(default_factory=_sketches)
    peak: int = 0
    visitors: Uniques = dataclasses.field(default_factory=Uniques)

    def take(self, added: Added) -> None:
        """Add what a batch adds."""
        for name in ("plays", "failed", "ended"):
            self.numbers[name] += getattr(added, name)
        for name, value in zip(COUNTED, added.counted, strict=True):
            self.numbers[name] += value
        for name, sketch in self.sketches.items():
            sketch.add(getattr(added, name))
        self.peak = max(self.peak, added.peak)
        self.visitors.add(np.frombuffer(added.viewers, "<u8").astype(np.uint64))

    def take_off(self, added: Added) -> None:
        """Take off what a batch added, but for its viewers; what was deleted as too old stays at nothing."""
        for name in ("plays", "failed", "ended"):
            self.numbers[name] = max(0, self.numbers[name] - getattr(added, name))
        for name, value in zip(COUNTED, added.counted, strict=True):
            self.numbers[name] = max(0.0, self.numbers[name] - value)
        for name, sketch in self.sketches.items():
            sketch.take_off(getattr(added, name))

    def take_row(self, row: Any) -> None:
        """Add what stands in a row of `buckets`."""
        self.take_rows([row])
        self.visitors.unite(row.visitors)

    def take_rows(self, rows: Sequence[Any]) -> None:
        """Add what stands in rows of `buckets`, but for their visitors."""
        for name in _SUMMED:
            self.numbers[name] += sum(getattr(row, name) for row in rows)
        for name, sketch in self.sketches.items():
            sketch.add(b"".join(getattr(row, name) for row in rows))
        self.peak = max([self.peak, *(row.peak for row in rows)])

    def values(self, key: BucketKey) -> dict[str, Any]:
        """As a row."""
        stream, grain, start, node = key
        return {
            "stream": stream, "grain": grain, "start": start, "node": node, "peak": self.peak,
            **self.numbers, **{name: sketch.serialize() for name, sketch in self.sketches.items()},
            "viewers": len(self.visitors) if grain != MINUTE else 0,
            "visitors": self.visitors.serialize() if grain != MINUTE else b"",
        }  # fmt: skip


class Store:
    """The database.

    Args:
        engine: it.
        retention: what is kept for how long.
        clock: seconds since 1970.
    """

    def __init__(
        self, engine: AsyncEngine, retention: Retention = KEPT, clock: Callable[[], float] = time.time
    ) -> None:
        self.engine = engine
        self.retention = retention
        self._turn = asyncio.Lock()
        self._clock = clock

    async def take(self, taken: Sequence[Batch]) -> None:
        """Put batches in, those that are not in yet.

        Raises:
            SQLAlchemyError, AuthUnavailable: it does not answer; nothing was put in.
        """
        async with self._turn, self.engine.begin() as connection:
            await take_turn(connection)
            new = [batch for batch in taken if await self._is_new(connection, batch)]
            fresh, over = await sort_out(connection, new)
            rows = {row["id"]: {**row, "node": batch.node} for batch in taken for row in batch.sessions}
            await _insert_sessions(connection, await _without_the_erased(connection, rows))
            await _add_to_buckets(connection, fresh, over)
            await _add_to_shares(connection, fresh, over)

    async def take_what_can_be(self, taken: Sequence[Batch]) -> None:
        """As `take`; of batches that cannot be put in, where others can, only the names are.

        So nobody waits for them. Where none can be put in, more is wrong than with the batches.

        Raises:
            SQLAlchemyError, AuthUnavailable: it does not answer; what was put in may come again.
            Exception: of the first batch, when none can be put in.
        """
        try:
            return await self.take(taken)
        except AWAY:
            raise
        except Exception:
            if len(taken) < 2:
                raise
        refused: list[tuple[Batch, Exception]] = []
        for batch in taken:
            try:
                await self.take([batch])
            except AWAY:
                raise
            except Exception as error:
                refused.append((batch, error))
        if len(refused) == len(taken):
            raise refused[0][1]
        for batch, reason in refused:
            # A database's own error shows all of the statement.
            why = repr(getattr(reason, "orig", reason))
            _log.error("batch %s of viewing sessions is given up, it is not taken: %s", batch.id, why)
            async with self.engine.begin() as connection:
                await self._is_new(connection, batch)

    async def taken(self, ids: Iterable[str]) -> set[str]:
        """Which batches are in."""
        async with self.engine.connect() as connection:
            return await taken_of(connection, ids)

    async def expire(self) -> None:
        """Delete what is too old."""
        now, kept = self._clock(), self.retention
        async with self.engine.begin() as connection:
            await overwrite(connection)
            await connection.execute(delete(sessions).where(sessions.c.ended_at < now - kept.sessions_s))
            await connection.execute(delete(batches).where(batches.c.at < now - kept.sessions_s))
            for grain, kept_s in ((MINUTE, kept.minutes_s), (HOUR, kept.hours_s)):
                old = (buckets.c.grain == grain) & (buckets.c.start < now - kept_s)
                await connection.execute(delete(buckets).where(old))

    async def _is_new(self, connection: AsyncConnection, batch: Batch) -> bool:
        statement = upsert(connection, batches).values(id=batch.id, at=self._clock())
        return bool((await connection.execute(statement.on_conflict_do_nothing())).rowcount)


async def taken_of(connection: AsyncConnection, ids: Iterable[str]) -> set[str]:
    """Which batches a connection sees."""
    found = await connection.execute(select(batches.c.id).where(batches.c.id.in_(list(ids))))
    return set(found.scalars())


async def overwrite(connection: AsyncConnection) -> None:
    """Have SQLite overwrite what is deleted on this connection, a salt or a person; else it only forgets."""
    if connection.dialect.name == "sqlite":
        await connection.execute(text("PRAGMA secure_delete = ON"))


async def take_turn(connection: AsyncConnection) -> None:
    """Have the writers of all machines wait for each other, until the transaction ends."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


async def _without_the_erased(
    connection: AsyncConnection, rows: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """A session that comes after its viewer's account was deleted is nobody's; he may have been erased."""
    accounts = {row["account"] for row in rows.values()} - {""}
    if accounts:
        wanted = select(principals.c.id).where(principals.c.id.in_(accounts))
        accounts -= set((await connection.execute(wanted)).scalars())
    return [row for row in rows.values() if row["account"] not in accounts]


async def _insert_sessions(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    """Those that are not there, and those that went on after their machine was thought to be gone."""
    if not rows:
        return
    statement = upsert(connection, sessions)
    went_on = (sessions.c.reason == KILLED) & (statement.excluded.ended_at > sessions.c.ended_at)
    await connection.execute(_overwriting(statement, sessions, rows, went_on), rows)


async def _replace(connection: AsyncConnection, table: Table, rows: list[dict[str, Any]]) -> None:
    await connection.execute(_overwriting(upsert(connection, table), table, rows), rows)


def _overwriting(statement: Any, table: Table, rows: list[dict[str, Any]], where: Any = None) -> Any:
    keys = {column.name for column in table.primary_key}
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    return statement.on_conflict_do_update(index_elements=sorted(keys), set_=changed, where=where)


async def _add_to_buckets(connection: AsyncConnection, fresh: Sequence[Batch], over: Sequence[Batch]) -> None:
    sums: dict[BucketKey, Sum] = {}
    for key, added in _by_bucket(fresh):
        sums.setdefault(key, Sum()).take(added)
    taken_off = [*_by_bucket(over)]
    for key, _ in taken_off:
        sums.setdefault(key, Sum())
    if not sums:
        return
    for key in sums:
        if key[1] == MINUTE:
            continue
        # What one machine saw at most says little when there are several.
        sums[key].peak = 0
    await _take_present(connection, sums)
    for key, added in taken_off:
        sums[key].take_off(added)
    minutes = {key: each for key, each in sums.items() if key[1] == MINUTE}
    await _replace(connection, buckets, [each.values(key) for key, each in minutes.items()])
    await _raise_peaks(connection, sums)
    rest = [each.values(key) for key, each in sums.items() if key[1] != MINUTE]
    await _replace(connection, buckets, rest)


def _by_bucket(taken: Iterable[Batch]) -> Iterator[tuple[BucketKey, Added]]:
    """What batches add, each to all the buckets it belongs to."""
    for batch in taken:
        minute = batch.minute
        starts = (
            (MINUTE, minute, batch.node),
            (HOUR, minute - minute % HOUR_S, ""),
            (DAY, minute - minute % DAY_S, ""),
        )
        for added in batch.added:
            for grain, start, node in starts:
                yield (added.stream, grain, start, node), added


async def _take_present(connection: AsyncConnection, sums: dict[BucketKey, Sum]) -> None:
    columns = (buckets.c.stream, buckets.c.grain, buckets.c.start, buckets.c.node)
    keys = list(sums)
    for first in range(0, len(keys), _AT_ONCE):
        wanted = tuple_(*columns).in_(keys[first : first + _AT_ONCE])
        for row in await connection.execute(select(buckets).where(wanted)):
            sums[row.stream, row.grain, row.start, row.node].take_row(row)


async def _raise_peaks(connection: AsyncConnection, sums: dict[BucketKey, Sum]) -> None:
    """The peak of an hour or day is that of its highest minute, over all machines."""
    keys = list({(key[0], key[2]) for key in sums if key[1] == MINUTE})
    column = buckets.c
    for first in range(0, len(keys), _AT_ONCE):
        wanted = (column.grain == MINUTE) & tuple_(column.stream, column.start).in_(
            keys[first : first + _AT_ONCE]
        )
        peaks = select(column.stream, column.start, func.sum(column.peak).label("peak")).where(wanted)
        for row in await connection.execute(peaks.group_by(column.stream, column.start)):
            for grain, length_s in ((HOUR, HOUR_S), (DAY, DAY_S)):
                each = sums[row.stream, grain, row.start - row.start % length_s, ""]
                each.peak = max(each.peak, int(row.peak))


async def _add_to_shares(connection: AsyncConnection, fresh: Sequence[Batch], over: Sequence[Batch]) -> None:
    sums: dict[ShareKey, list[Share]] = {}
    for key, share in _by_share(fresh):
        sums.setdefault(key, []).append(share)
    for key, share in _by_share(over):
        sums.setdefault(key, []).append(-share)
    if not sums:
        return
    column = shares.c
    keys = list(sums)
    rows = []
    present: dict[ShareKey, Any] = {}
    for first in range(0, len(keys), _AT_ONCE):
        wanted = tuple_(column.stream, column.day, column.dimension, column.value)
        found = await connection.execute(select(shares).where(wanted.in_(keys[first : first + _AT_ONCE])))
        present |= {(row.stream, row.day, row.dimension, row.value): row for row in found}
    for key, parts in sums.items():
        before = present.get(key)
        visitors = Uniques.parse(before.visitors if before is not None else None)
        for part in parts:
            visitors.add(np.frombuffer(part.viewers, "<u8").astype(np.uint64))
        row = dict(zip(("stream", "day", "dimension", "value"), key, strict=True))
        for name, field in (("plays", "plays"), ("watch_s", "watch_s"), ("bytes", "sent")):
            present_before = getattr(before, name) if before is not None else 0
            row[name] = max(0, present_before + sum(getattr(part, field) for part in parts))
        rows.append({**row, "viewers": len(visitors), "visitors": visitors.serialize()})
    await _replace(connection, shares, rows)


def _by_share(taken: Iterable[Batch]) -> Iterator[tuple[ShareKey, Share]]:
    for batch in taken:
        day = batch.minute - batch.minute % DAY_S
        for added in batch.added:
            for dimension, values in added.shares.items():
                for value, share in values.items():
                    yield (added.stream, day, dimension, value[:32]), share
