"""Starting other people's servers: not as root, on a port and in a folder of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.rig.process import Child, Process


def free_port() -> int:
    """A port nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def folder(owner: str) -> Iterator[Path]:
    """A folder that `owner` can use; pytest's own can only be entered by who runs the tests."""
    path = Path(tempfile.mkdtemp(prefix="streamer-test-"))
    try:
        if os.getuid() == 0:
            shutil.chown(path, owner)
        yield path
    finally:
        shutil.rmtree(path)


def as_user(user: str, *command: str | Path) -> list[str]:
    """A command line that runs as `user` when the tests run as root, else as who runs them."""
    plain = [str(part) for part in command]
    if os.getuid() != 0:
        return plain
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--", *plain]


@contextmanager
def running(command: list[str], log: Path, **environment: str) -> Iterator[Child]:
    with log.open("ab") as output:
        process = Process.begin(
            command, stdout=output, stderr=output, cwd="/", env={**os.environ, **environment}
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
