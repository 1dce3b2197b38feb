from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from streamer.cluster.link import connect
from tests.rigs.redis import RedisServer, redis_server


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Redis]:
    """A connection to a real one that is empty."""
    redis = connect(server.url)
    await redis.flushall()
    yield redis
    await redis.aclose()
