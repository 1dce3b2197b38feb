"""The connection to Redis, and one error for all that can be wrong with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from streamer.errors import StreamerError

_CONNECT_S = 2.0
_ANSWER_S = 5.0
#: Before every key of ours.
PREFIX = "streamer:"


class RedisAway(StreamerError, OSError):
    """Redis does not answer, or not as expected; says what it said, which is never a secret."""


def connect(url: str) -> Redis:
    """A client; connects when it is first used, and again after every failure."""
    # Typed by hand: the library's own hints say Any.
    client: Redis = Redis.from_url(
        url,
        socket_connect_timeout=_CONNECT_S,
        socket_timeout=_ANSWER_S,
        health_check_interval=10,
        client_name="streamer",
    )
    return client


@asynccontextmanager
async def talking() -> AsyncIterator[None]:
    """Raises `RedisAway` for whatever the library raises inside."""
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise RedisAway(f"Redis: {error or type(error).__name__}") from error


def heed_cancellation() -> None:
    """End a task that was cancelled while the library swallowed it, as it now and then does with a timeout.

    Raises:
        asyncio.CancelledError
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def text(value: Any) -> str:
    """What Redis sent as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
