"""A Redis of the tests' own: Debian's program, nothing on disk, an ephemeral port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.wait import wait_until
from tests.rigs.processes import answers, free_port, running


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
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with running(command, folder / "redis.log") as process:
        wait_until(lambda: process.poll() is not None or answers(port), "Redis")
        assert process.poll() is None, (folder / "redis.log").read_text(encoding="utf-8")
        yield RedisServer(port)
        process.kill()
