"""Which machines there are and who watches on them: every second each one says so, and hears the others.

A machine also leaves a copy of its audience with Redis. When it has been silent for a minute, one of the
others takes the copy and finishes what it began.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from redis.asyncio import Redis

from streamer.cluster.link import PREFIX, RedisAway, heed_cancellation, talking, text

_log = logging.getLogger(__name__)

_BEAT_S = 1.0
_ALIVE_S = 10
_COPY_EVERY_S = 5.0
_COPY_KEPT_S = 7 * 86_400
#: A machine that restarts has its own copy on disk, which is newer: it is given time to.
SILENT_S = 60.0
_COUNT_EVERY_S = 5.0
#: Viewers who wait to be counted; each takes some 150 bytes.
MAX_NEW = 100_000
#: Redis does nothing else while it takes one command.
_AT_ONCE = 1000
_DAY_S = 86_400
_NODES = f"{PREFIX}nodes"


@dataclass(frozen=True, slots=True)
class Count:
    """A stream's audience on one machine, or on all of them."""

    viewers: int
    peak: int
    quality: float


Counts = Mapping[str, Count]


class Nodes:
    """This machine among the others. Event loop only.

    Args:
        redis: where they meet.
        node: this machine's name.
        counts: who watches here.
        copy: this machine's audience, for who must finish it.
        rescue: takes the copy of a machine that is no more.
        silent_s: after which it is.

    Attributes:
        alive: names of all machines that are there, this one among them.
        together: who watches anywhere; None while Redis is away.
        unique: different viewers of each stream today, as last counted.
    """

    def __init__(
        self,
        redis: Redis,
        node: str,
        counts: Callable[[], Counts],
        copy: Callable[[], bytes],
        rescue: Callable[[bytes], Awaitable[None]],
        *,
        silent_s: float = SILENT_S,
    ) -> None:
        self.alive: set[str] = {node}
        self.together: dict[str, Count] | None = None
        self.unique: dict[str, int] = {}
        self._redis = redis
        self._node = node
        self._counts = counts
        self._copy = copy
        self._rescue = rescue
        self._silent_s = silent_s
        self._copied_at = self._counted_at = float("-inf")
        self._new: dict[str, set[str]] = {}
        self._is_full = False
        self._silent_since: dict[str, float] = {}
        self._not_understood: set[str] = set()

    def seen(self, stream: str, viewer: str) -> None:
        """Somebody watches a stream; counted as one however often he comes today, to whichever machine.

        While Redis is away the first `MAX_NEW` are remembered, those of all streams together.
        """
        self._remember(stream, {viewer})

    def copy_soon(self) -> None:
        """A batch was cut off: from a copy of before, what comes after could not be finished."""
        self._copied_at = float("-inf")

    async def run(self) -> None:
        """Beat until cancelled."""
        away = False
        while True:
            heed_cancellation()
            try:
                await self.beat()
                away = False
            except RedisAway as error:
                self.together = None
                self.alive = {self._node}
                if not away:
                    _log.warning("this machine is on its own: %s", error)
                away = True
            await asyncio.sleep(_BEAT_S)

    async def beat(self) -> None:
        """Say who watches here, hear who watches elsewhere.

        Raises:
            RedisAway
        """
        now = time.monotonic()
        new, self._new = self._new, {}
        try:
            names, said = await self._speak(new, now)
        except BaseException:
            self._say_again(new)
            raise
        self._is_full = False
        heard = {
            name: self._heard(name, each) for name, each in zip(names, said, strict=True) if each is not None
        }
        self.alive = set(heard) | {self._node}
        self.together = await self._add_up(heard.values())
        if now - self._counted_at >= _COUNT_EVERY_S:
            self._counted_at = now
            await self._count_unique()
        await self._look_after(set(names) - self.alive, now)

    async def copies(self) -> list[bytes]:
        """What the other machines left of their audiences, some seconds ago or before they fell silent.

        Raises:
            RedisAway
        """
        others = sorted((self.alive | self._silent_since.keys()) - {self._node})
        if not others:
            return []
        async with talking():
            found: list[Any] = await self._redis.mget([f"{PREFIX}copy:{name}" for name in others])
        return [each for each in found if each is not None]

    async def leave(self) -> None:
        """This machine stops in good order: there is nothing left to finish."""
        async with talking():
            await self._redis.srem(_NODES, self._node)
            await self._redis.delete(f"{PREFIX}node:{self._node}", f"{PREFIX}copy:{self._node}")

    async def _speak(self, new: Mapping[str, set[str]], now: float) -> tuple[list[str], list[Any]]:
        """Say what there is to say; the names of all machines, and what each said, None if nothing."""
        counts = self._counts()
        async with talking():
            pipe = self._redis.pipeline(transaction=False)
            pipe.set(f"{PREFIX}node:{self._node}", _said(counts), ex=_ALIVE_S)
            pipe.sadd(_NODES, self._node)
            if now - self._copied_at >= _COPY_EVERY_S:
                self._copied_at = now
                pipe.set(f"{PREFIX}copy:{self._node}", self._copy(), ex=_COPY_KEPT_S)
            for stream, viewers in new.items():
                key = _unique_key(stream)
                told = list(viewers)
                for first in range(0, len(told), _AT_ONCE):
                    pipe.pfadd(key, *told[first : first + _AT_ONCE])
                pipe.expire(key, 2 * _DAY_S)
            pipe.smembers(_NODES)
            answers = await pipe.execute()
            names = sorted(text(name) for name in answers[-1])
            return names, await self._redis.mget([f"{PREFIX}node:{name}" for name in names])

    def _say_again(self, new: Mapping[str, set[str]]) -> None:
        """Redis may not have heard of these viewers; of those it has, it can hear twice."""
        for stream, viewers in new.items():
            self._remember(stream, viewers)

    def _remember(self, stream: str, viewers: set[str]) -> None:
        known = self._new.setdefault(stream, set())
        fresh = viewers - known
        room = MAX_NEW - sum(map(len, self._new.values()))
        if len(fresh) > room and not self._is_full:
            self._is_full = True
            _log.warning("Redis is away and %d viewers wait to be counted; those after them are not", MAX_NEW)
        known.update(islice(fresh, room))

    def _heard(self, name: str, said: bytes) -> Counts:
        """What a machine said; nothing when it is of another version and speaks otherwise."""
        try:
            counts = _parse(said)
        except ValueError as error:
            if name not in self._not_understood:
                _log.error("who watches on node %s is not counted here: %s", name, error)
            self._not_understood.add(name)
            return {}
        self._not_understood.discard(name)
        return counts

    async def _add_up(self, heard: Iterable[Counts]) -> dict[str, Count]:
        together: dict[str, Count] = {}
        for counts in heard:
            for stream, count in counts.items():
                before = together.get(stream, Count(0, 0, math.nan))
                together[stream] = Count(
                    before.viewers + count.viewers, max(before.peak, count.peak), _mean(before, count)
                )
        key = f"{PREFIX}peak:{int(time.time()) // _DAY_S}"
        async with talking():
            if together:
                highest = {stream: count.viewers for stream, count in together.items()}
                await self._redis.zadd(key, highest, gt=True)
                await self._redis.expire(key, 2 * _DAY_S)
            found: Any = await self._redis.zrange(key, 0, -1, withscores=True)
        peaks = {text(name): int(peak) for name, peak in found}
        return {
            stream: Count(count.viewers, max(count.peak, peaks.get(stream, 0)), count.quality)
            for stream, count in together.items()
        }

    async def _count_unique(self) -> None:
        streams = list(self.together or {})
        async with talking():
            pipe = self._redis.pipeline(transaction=False)
            for stream in streams:
                pipe.pfcount(_unique_key(stream))
            self.unique = dict(zip(streams, await pipe.execute(), strict=True)) if streams else {}

    async def _look_after(self, silent: set[str], now: float) -> None:
        self._silent_since = {name: self._silent_since.get(name, now) for name in silent}
        for name, since in self._silent_since.items():
            if now - since >= self._silent_s:
                await self._finish(name)

    async def _finish(self, name: str) -> None:
        """Several machines may do it; the batch has the same name, so it counts once."""
        async with talking():
            data: Any = await self._redis.get(f"{PREFIX}copy:{name}")
        if data is not None:
            _log.warning("node %s is gone; its viewing sessions are finished here", name)
            await self._rescue(data)
        async with talking():
            await self._redis.srem(_NODES, name)
            await self._redis.delete(f"{PREFIX}copy:{name}")


async def rewrite_copies(redis: Redis, change: Callable[[bytes], bytes | None]) -> int:
    """Put changed copies in the place of those that `change` gives another one for; how many.

    Raises:
        RedisAway
    """
    changed = 0
    async with talking():
        async for key in redis.scan_iter(f"{PREFIX}copy:*"):
            data: Any = await redis.get(key)
            cleaned = change(data) if data is not None else None
            if cleaned is not None:
                # Not where its machine took it away meanwhile; for as long as it was to stay.
                changed += bool(await redis.set(key, cleaned, xx=True, keepttl=True))
    return changed


def _said(counts: Counts) -> str:
    return json.dumps(
        {
            name: (count.viewers, count.peak, None if math.isnan(count.quality) else round(count.quality, 2))
            for name, count in counts.items()
        }
    )


def _parse(said: bytes) -> dict[str, Count]:
    """What `_said` made.

    Raises:
        ValueError: something else.
    """
    try:
        return {
            name: Count(int(viewers), int(peak), math.nan if quality is None else float(quality))
            for name, (viewers, peak, quality) in json.loads(said).items()
        }
    except (TypeError, AttributeError) as error:
        raise ValueError(f"expected who watches: {error}") from None


def _mean(before: Count, count: Count) -> float:
    """The mean of two machines' qualities, by their viewers."""
    if math.isnan(count.quality):
        return before.quality
    if math.isnan(before.quality):
        return count.quality
    total = before.viewers + count.viewers
    return (
        (before.quality * before.viewers + count.quality * count.viewers) / total if total else count.quality
    )


def _unique_key(stream: str) -> str:
    return f"{PREFIX}unique:{int(time.time()) // _DAY_S}:{stream}"
