"""What one machine finishes of another that seems to be gone, and takes back when it was only out of reach.

A rescue has a name of its own beside that of the batch in whose place it comes, and what it added is kept
with that name. When the batch itself comes after all, as much is taken off again: its machine knew better.
Only viewers stay, as those who were there before the rescue are in the batch, too. The caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Update, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from streamer.engagement.batch import Added, Batch
from streamer.engagement.tables import batches

_SUFFIX = ".rescued"


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
            over += await _take_back(connection, batch.id + _SUFFIX)
        elif not await _is_there(connection, batch.id.removesuffix(_SUFFIX)):
            counting.append(batch)
            kept = replace(batch, added=[_without_viewers(each) for each in batch.added], sessions=[])
            await connection.execute(_row(batch.id).values(rescue=kept.serialize()))
    return counting, over


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
