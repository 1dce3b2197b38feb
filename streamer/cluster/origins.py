"""Which machine has which stream: every second each says what is published to it, and hears the others."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from streamer.cluster.link import PREFIX, RedisAway, heed_cancellation, talking, text
from streamer.sections.cluster import srt_address

_log = logging.getLogger(__name__)

_BEAT_S = 1.0
_SAID_FOR_S = 5
_ORIGINS = f"{PREFIX}origins"


@dataclass(frozen=True, slots=True)
class Origin:
    """A machine that a stream is published to.

    Attributes:
        node: its name.
        address: host:port of its SRT port, as the others reach it.
        since: when that publisher came, seconds since 1970.
    """

    node: str
    address: str
    since: float


class Origins:
    """What the machines say of their streams. Event loop only.

    Args:
        redis: where they meet.
        node: this machine's name.
        address: of its SRT port.
        here: streams that are published to this machine, and since when.
        comes: whether a stream's media comes from a machine now.
        heard: called after every beat.

    Attributes:
        elsewhere: streams of the others; of those that have one, the one that got it last is the first: an
            encoder that moved is missed only after seconds. As last heard while Redis is away: the machines
            are mostly still there. Of one that says nothing, as when Redis has lost everything or that
            machine has lost Redis, what comes from it, unless another has it too.
    """

    def __init__(
        self,
        redis: Redis,
        node: str,
        address: str,
        here: Callable[[], Mapping[str, float]],
        comes: Callable[[str, Origin], bool],
        heard: Callable[[], None],
    ) -> None:
        self.elsewhere: dict[str, tuple[Origin, ...]] = {}
        self._redis = redis
        self._node = node
        self._address = address
        self._here = here
        self._comes = comes
        self._heard = heard

    async def run(self) -> None:
        """Beat until cancelled."""
        away = False
        while True:
            heed_cancellation()
            try:
                await self.beat()
                away = False
            except RedisAway as error:
                if not away:
                    _log.warning("what is published to other machines is not heard now: %s", error)
                away = True
            self._heard()
            await asyncio.sleep(_BEAT_S)

    async def beat(self) -> None:
        """Say, and hear.

        Raises:
            RedisAway
        """
        said = json.dumps({"address": self._address, "streams": dict(self._here())})
        async with talking():
            pipe = self._redis.pipeline(transaction=False)
            pipe.set(_key(self._node), said, ex=_SAID_FOR_S)
            pipe.sadd(_ORIGINS, self._node)
            pipe.smembers(_ORIGINS)
            names = sorted({text(name) for name in (await pipe.execute())[-1]} - {self._node})
            answers: list[Any] = await self._redis.mget([_key(name) for name in names]) if names else []
            gone = [name for name, answer in zip(names, answers, strict=True) if answer is None]
            if gone:
                await self._redis.srem(_ORIGINS, *gone)
        found: dict[str, list[Origin]] = {}
        for name, answer in zip(names, answers, strict=True):
            for stream, origin in _parse(name, answer).items() if answer is not None else ():
                found.setdefault(stream, []).append(origin)
        speaking = {name for name, answer in zip(names, answers, strict=True) if answer is not None}
        for stream, origins in self.elsewhere.items():
            silent = [each for each in origins if each.node not in speaking and self._comes(stream, each)]
            if silent and stream not in found:
                found[stream] = silent
        self.elsewhere = {
            stream: tuple(sorted(origins, key=lambda each: each.since, reverse=True))
            for stream, origins in found.items()
        }

    async def leave(self) -> None:
        """This machine stops in good order.

        Raises:
            RedisAway
        """
        async with talking():
            await self._redis.srem(_ORIGINS, self._node)
            await self._redis.delete(_key(self._node))


def _key(node: str) -> str:
    return f"{PREFIX}origin:{node}"


def _parse(node: str, said: bytes) -> dict[str, Origin]:
    """What a machine said; nothing where it is of another version, or somebody wrote something else."""
    try:
        fields = json.loads(said)
        address = srt_address(str(fields["address"]))
        return {str(name): Origin(node, address, float(since)) for name, since in fields["streams"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        _log.debug("what node %s said of its streams is not understood: %r", node, error)
        return {}
