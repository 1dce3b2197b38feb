"""A Redis of the tests' own, on an ephemeral port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtests.rig.redis import redis
from tests.rigs.processes import free_port


@dataclass(frozen=True)
class RedisServer:
    port: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


@contextmanager
def redis_server(folder: Path, port: int | None = None) -> Iterator[RedisServer]:
    """It forgets everything when it ends."""
    port = port or free_port()
    with redis(port, folder) as process:
        yield RedisServer(port)
        process.kill()
