"""A queue of batches in a Redis stream, emptied by a consumer group: each batch is taken by one machine.

Who takes a batch acknowledges it when it is in the database. What a machine took and did not acknowledge,
because it died, another one takes over. A batch can so come twice, never not at all: who sent it keeps it
until it sees it in the database, and sends it again when Redis forgot it. That each counts once is the
database's doing.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from streamer.cluster.link import PREFIX, RedisAway, heed_cancellation, talking

_log = logging.getLogger(__name__)

QUEUE = f"{PREFIX}batches"
GROUP = "sql"
_FIELD = b"batch"
_AT_ONCE = 20
_BLOCK_MS = 1000
# Redis' own memory is bounded too; what is trimmed is sent again.
_MOST_ENTRIES = 20_000
_TAKE_OVER_MS = 30_000
_TAKE_OVER_EVERY_S = 10.0
_PAUSE_S = 1.0


class Queue:
    """The sending end.

    Args:
        redis: where it is.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def send(self, batches: Sequence[tuple[str, bytes]]) -> None:
        """Append batches.

        Raises:
            RedisAway: it may have taken some of them.
        """
        async with talking():
            pipe = self._redis.pipeline(transaction=False)
            for _, data in batches:
                pipe.xadd(QUEUE, {_FIELD: zlib.compress(data, 1)}, maxlen=_MOST_ENTRIES, approximate=True)
            await pipe.execute()

    async def rewrite(self, change: Callable[[bytes], bytes | None]) -> int:
        """Put changed batches in the place of those that `change` gives another one for; how many.

        Raises:
            RedisAway
        """
        changed = 0
        async with talking():
            entries: Any = await self._redis.xrange(QUEUE)
            for id, fields in entries:
                known = _unpacked(fields)
                data = change(known) if known is not None else None
                if data is not None:
                    await self._redis.xdel(QUEUE, id)
                    await self._redis.xadd(QUEUE, {_FIELD: zlib.compress(data, 1)})
                    changed += 1
        return changed


class Consumer:
    """The receiving end.

    Args:
        redis: where it is.
        node: this machine's name.
        take: puts batches into the database; what it raises means that they are not in it.

    Attributes:
        taken: batches.
    """

    def __init__(self, redis: Redis, node: str, take: Callable[[list[bytes]], Awaitable[None]]) -> None:
        self.taken = 0
        self._redis = redis
        self._node = node
        self._take = take

    async def run(self) -> None:
        """Take until cancelled."""
        loop = asyncio.get_running_loop()
        took_over_at = float("-inf")
        away = False
        while True:
            heed_cancellation()
            try:
                await self._join()
                # First what was taken and not acknowledged: by this machine, or by one that is no more.
                await self._handle(await self._read("0"))
                heed_cancellation()
                if loop.time() - took_over_at > _TAKE_OVER_EVERY_S:
                    took_over_at = loop.time()
                    await self._handle(await self._take_over())
                await self._handle(await self._read(">"))
                away = False
            except RedisAway as error:
                if not away:
                    _log.warning("batches wait: %s", error)
                away = True
                await asyncio.sleep(_PAUSE_S)

    async def _join(self) -> None:
        async with talking():
            try:
                await self._redis.xgroup_create(QUEUE, GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    async def _read(self, after: str) -> list[Any]:
        block = _BLOCK_MS if after == ">" else None
        async with talking():
            found = await self._redis.xreadgroup(
                GROUP, self._node, {QUEUE: after}, count=_AT_ONCE, block=block
            )
        # A list of pairs, or a mapping, depending on the protocol's version.
        answers = found.values() if isinstance(found, dict) else [entries for _, entries in found or []]
        return [entry for entries in answers for entry in _flat(entries)]

    async def _take_over(self) -> list[Any]:
        async with talking():
            found = await self._redis.xautoclaim(QUEUE, GROUP, self._node, _TAKE_OVER_MS, count=_AT_ONCE)
        return list(found[1])

    async def _handle(self, entries: list[Any]) -> None:
        if not entries:
            return
        # What was trimmed meanwhile comes without its fields; its sender sends it again.
        batches = [data for _, fields in entries if fields and (data := _unpacked(fields)) is not None]
        try:
            await self._take(batches)
        except Exception as error:  # whatever is wrong with the database: they stay with this machine
            _log.warning("batches could not be taken: %s", error)
            await asyncio.sleep(_PAUSE_S)
            return
        self.taken += len(batches)
        ids = [id for id, _ in entries]
        async with talking():
            pipe = self._redis.pipeline(transaction=True)
            pipe.xack(QUEUE, GROUP, *ids)
            pipe.xdel(QUEUE, *ids)
            await pipe.execute()


def _unpacked(fields: Any) -> bytes | None:
    """An entry's batch; None for what no machine sent, which must not keep all of them from the rest."""
    try:
        return zlib.decompress(fields[_FIELD])
    except (zlib.error, KeyError) as error:
        _log.error("an entry of %s is no batch: %r", QUEUE, error)
        return None


def _flat(entries: Any) -> list[Any]:
    """Entries as (id, fields); newer versions of the protocol wrap them once more."""
    if entries and isinstance(entries[0], list):
        return [entry for inner in entries for entry in inner]
    return list(entries)
