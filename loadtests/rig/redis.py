"""A Redis of a program's own: Debian's, on loopback, nothing on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.rig.process import Process, wait_until


@contextmanager
def redis(port: int, folder: Path) -> Iterator[Process]:
    """Start one and wait for it; what it holds is forgotten when it ends."""
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with Process([*command, "--dir", str(folder)]) as process:
        wait_until(lambda: "Ready to accept" in process.output, 20, "Redis")
        yield process
