"""A network namespace joined to this machine by a veth pair, for servers that refuse loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace and the two ends of its cable.

    Attributes:
        name: as `ip netns` knows it.
        near: this machine's address on the cable.
        far: the namespace's.
    """

    name: str
    near: str
    far: str

    def command(self, command: Sequence[str]) -> list[str]:
        """The command that runs another one inside; `ip` becomes it, so the process id is its own."""
        return ["ip", "netns", "exec", self.name, *command]


@contextmanager
def namespace() -> Iterator[Namespace]:
    """Make one, remove it again.

    Raises:
        RuntimeError: not root, or no `ip` on this machine.
    """
    if shutil.which("ip") is None:
        raise RuntimeError("no `ip` on this machine: apt-get install iproute2")
    if os.geteuid():
        raise RuntimeError("network namespaces need root")
    number = os.getpid() % 0x4000
    # RFC 2544's network for benchmarks; a /30 for each of us.
    low = number * 4
    prefix = f"198.{18 + (low >> 16 & 1)}.{low >> 8 & 0xFF}"
    space = Namespace(f"peer-{os.getpid()}", f"{prefix}.{(low & 0xFF) + 1}", f"{prefix}.{(low & 0xFF) + 2}")
    near, far = f"pn{os.getpid()}", f"pf{os.getpid()}"
    _ip("netns", "add", space.name)
    try:
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", space.name)
        _ip("address", "add", f"{space.near}/30", "dev", near)
        _ip("link", "set", near, "up")
        for command in (
            ("address", "add", f"{space.far}/30", "dev", far),
            ("link", "set", far, "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-n", space.name, *command)
        yield space
    finally:
        _ip("netns", "delete", space.name)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
