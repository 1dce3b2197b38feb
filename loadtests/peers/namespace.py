"""A network namespace joined to this machine by a veth pair, for servers that refuse loopback.

`link.py` joins one to another by a cable that is as bad as one likes.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_numbers = itertools.count()
#: One process has so many addresses in turn. The kernel keeps a device, and with it the way to its address,
#: for some time after its namespace: with three servers one after the other, two each, four were too few.
_PER_PROCESS, _PROCESSES = 16, 0x800


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace and the two ends of its cable.

    Attributes:
        name: as `ip netns` knows it.
        near: the address at the cable's other end.
        far: the namespace's.
        devices: the near and the far device.
    """

    name: str
    near: str
    far: str
    devices: tuple[str, str]

    def command(self, command: Sequence[str]) -> list[str]:
        """The command that runs another one inside; `ip` becomes it, so the process id is its own."""
        return ["ip", "netns", "exec", self.name, *command]

    def program(self, folder: Path, path: str) -> Path:
        """A program that runs another one inside, for who takes a path and no command."""
        script = folder / Path(path).name
        script.write_text(f'#!/bin/sh\nexec ip netns exec {self.name} "{path}" "$@"\n')
        script.chmod(0o755)
        return script


@contextmanager
def unplugged() -> Iterator[Namespace]:
    """Make a namespace whose cable is still to be laid, remove it again and the devices in it.

    Raises:
        RuntimeError: not root, or no `ip` on this machine.
    """
    if shutil.which("ip") is None:
        raise RuntimeError("no `ip` on this machine: apt-get install iproute2")
    if os.geteuid():
        raise RuntimeError("network namespaces need root")
    number = next(_numbers)
    # RFC 2544's network for benchmarks; a /30 for each cable.
    low = 4 * (os.getpid() % _PROCESSES * _PER_PROCESS + number % _PER_PROCESS)
    prefix = f"198.{18 + (low >> 16 & 1)}.{low >> 8 & 0xFF}"
    # Never the same name twice: the kernel takes devices away some time after their namespace.
    name = f"{os.getpid()}-{number}"
    addresses = f"{prefix}.{(low & 0xFF) + 1}", f"{prefix}.{(low & 0xFF) + 2}"
    space = Namespace(f"peer-{name}", *addresses, (f"pn{name}", f"pf{name}"))
    ip("netns", "add", space.name)
    try:
        ip("-n", space.name, "link", "set", "lo", "up")
        yield space
    finally:
        ip("netns", "delete", space.name)


@contextmanager
def namespace(inside: Namespace | None = None) -> Iterator[Namespace]:
    """Make one with a cable, remove it again.

    Args:
        inside: where the near end is; None for this process's own namespace.

    Raises:
        RuntimeError: not root, or no `ip` on this machine.
    """
    with unplugged() as space:
        near, far = space.devices
        ip("link", "add", far, "netns", space.name, "type", "veth", "peer", "name", near)
        if inside is not None:
            ip("link", "set", near, "netns", inside.name)
        plug_in(space, inside)
        yield space


def plug_in(space: Namespace, inside: Namespace | None) -> None:
    """Address the two devices, which are where they belong, and switch them on."""
    near, far = space.devices
    here = ("-n", inside.name) if inside is not None else ()
    ip(*here, "address", "add", f"{space.near}/30", "dev", near)
    ip(*here, "link", "set", near, "up")
    ip("-n", space.name, "address", "add", f"{space.far}/30", "dev", far)
    ip("-n", space.name, "link", "set", far, "up")
    # A browser looks for its address on the way to the internet.
    ip("-n", space.name, "route", "add", "default", "via", space.near)


def ip(*arguments: str) -> None:
    """Run `ip`.

    Raises:
        RuntimeError: it failed; carries what it said.
    """
    run("ip", *arguments)


def run(*command: str) -> str:
    """Run a command that is done at once, return its output.

    Raises:
        RuntimeError: it failed; carries what it said.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
