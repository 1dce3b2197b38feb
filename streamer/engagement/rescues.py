"""What one machine finishes of another that seems to be gone, and takes back when it was only out of reach.

A rescue has a name of its own beside that of the batch in whose place it comes, and what it added is kept
with that name. When the batch itself comes after all, as much is taken off again: its machine knew better.
Only viewers stay, as those who were there before the rescue are in the batch, too. Where the batch was there
first, of the rescue counts that its sessions ended, until the machine's next batch comes. The caller's
transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Update, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from streamer.engagement.audience import ALL
from streamer.engagement.batch import Added, Batch
from streamer.engagement.sketch import Durations, Scores
from streamer.engagement.tables import batches, sessions

_SUFFIX = ".rescued"
_AT_ONCE = 1000


def as_rescue(batch: Batch) -> Batch:
    """What counts only until the batch of this name comes."""
    return replace(batch, id=batch.id + _SUFFIX)


async def sort_out(connection: AsyncConnection, fresh: Sequence[Batch]) -> tuple[list[Batch], list[Batch]]:
    """Find out what counts of batches that have just been noted down as taken.

    Returns:
        What is to be added, and what is to be taken off again.
    """
    counting: list[Batch] = []
    over: list[Batch] = []
    for batch in fresh:
        if not batch.id.endswith(_SUFFIX):
            counting.append(batch)
            for id in (batch.id, _neighbour(batch.id, -1)):
                over += await _take_back(connection, id + _SUFFIX)
            continue
        rescued = batch.id.removesuffix(_SUFFIX)
        if await _is_there(connection, rescued):
            if await _is_there(connection, _neighbour(rescued, 1)):
                continue
            batch = await _ends_alone(connection, batch)
        counting.append(batch)
        kept = replace(batch, added=[_without_viewers(each) for each in batch.added], sessions=[])
        await connection.execute(_row(batch.id).values(rescue=kept.serialize()))
    return counting, over


def _neighbour(id: str, after: int) -> str:
    """The name of another of a machine's batches, so many after this one; "" for who does not number them."""
    boot, _, number = id.rpartition(".")
    return f"{boot}.{int(number) + after}" if number.isdecimal() else ""


async def _ends_alone(connection: AsyncConnection, batch: Batch) -> Batch:
    """Of what a rescue adds, that sessions ended whose end nobody knew yet."""
    ids = [session["id"] for session in batch.sessions]
    known: set[str] = set()
    for first in range(0, len(ids), _AT_ONCE):
        wanted = select(sessions.c.id).where(sessions.c.id.in_(ids[first : first + _AT_ONCE]))
        known.update((await connection.execute(wanted)).scalars())
    ended = [session for session in batch.sessions if session["id"] not in known]
    streams = dict.fromkeys([ALL, *(session["stream"] for session in ended)]) if ended else {}
    added = [_ends([each for each in ended if name in (ALL, each["stream"])], name) for name in streams]
    return replace(batch, added=added, sessions=[])


def _ends(ended: Sequence[dict[str, Any]], stream: str) -> Added:
    played = [session for session in ended if session["join_ms"] is not None]
    return Added(
        stream,
        ended=len(played),
        failed=len(ended) - len(played),
        qualities=Scores.of(each["quality"] for each in played if each["quality"] is not None).serialize(),
        watched=Durations.of([each["watch_s"] for each in played]).serialize(),
    )


async def _take_back(connection: AsyncConnection, id: str) -> list[Batch]:
    data = await connection.scalar(select(batches.c.rescue).where(batches.c.id == id))
    if data is None:
        return []
    await connection.execute(_row(id).values(rescue=None))
    return [Batch.parse(data)]


async def _is_there(connection: AsyncConnection, id: str) -> bool:
    return await connection.scalar(select(batches.c.id).where(batches.c.id == id)) is not None


def _row(id: str) -> Update:
    return update(batches).where(batches.c.id == id)


def _without_viewers(added: Added) -> Added:
    shares = {
        dimension: {value: replace(share, viewers=b"") for value, share in values.items()}
        for dimension, values in added.shares.items()
    }
    return replace(added, viewers=b"", peak=0, shares=shares)
