"""A cable in user space: two TUN devices, and a process between them that keeps and loses packets.

Started by `link.py` where the kernel has no netem. A TUN device offers no segmentation offload unless asked
to, so the kernel cuts every GSO run into single packets before they come here, and each meets a fate of its
own. A line of JSON on standard input sets the impairment, see `set`; a line comes back with what was carried
and lost so far, toward the far end first.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import select
import struct
import sys
import time
from collections import deque
from typing import Any

from loadtests.peers.impairment import Bottleneck, Fate, Impairment

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_MAX_PACKET_BYTES = 65_536
#: What waits in one direction; more would be seconds of video.
_MAX_WAITING = 20_000
_AT_ONCE = 64


def open_tun(name: str) -> int:
    """Make a TUN device; it lives as long as the descriptor.

    Raises:
        OSError: not root, or no TUN in this kernel.
    """
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class Direction:
    """One way along the cable.

    Attributes:
        carried: packets that came in and were not lost.
        lost: packets that were.
    """

    def __init__(self, source: int, sink: int) -> None:
        self.source = source
        self.carried = 0
        self.lost = 0
        self._sink = sink
        self._delay_s = 0.0
        self._fate = Fate(Impairment(), 0)
        self._bottleneck = Bottleneck(Impairment())
        self._waiting: deque[tuple[float, bytes]] = deque()

    @property
    def due(self) -> float | None:
        """When the next packet has been under way long enough, None without one."""
        return self._waiting[0][0] if self._waiting else None

    def impair(self, impairment: Impairment, seed: int) -> None:
        """From now on; what is under way already arrives as it would have, or sooner."""
        self._delay_s = impairment.rtt_ms / 2000
        self._fate = Fate(impairment, seed)
        self._bottleneck = Bottleneck(impairment)

    def take(self, now: float) -> None:
        """Read what has come."""
        for _ in range(_AT_ONCE):
            try:
                packet = os.read(self.source, _MAX_PACKET_BYTES)
            except BlockingIOError:
                return
            except OSError:
                return  # EIO: the device is not up, or has gone already
            # IPv6's neighbour discovery and the like are not part of the experiment.
            if packet[0] >> 4 != 4:
                continue
            through_at = self._bottleneck.passes(len(packet), now)
            if through_at is None or self._fate.loses() or len(self._waiting) >= _MAX_WAITING:
                self.lost += 1
                continue
            self.carried += 1
            self._waiting.append((through_at + self._delay_s, packet))

    def give(self, now: float) -> None:
        """Write what is due, in order."""
        while self._waiting and self._waiting[0][0] <= now:
            try:
                os.write(self._sink, self._waiting.popleft()[1])
            except OSError:
                self.lost += 1  # the far end's queue is full, or the device has gone


def set_impairment(directions: tuple[Direction, Direction], line: str) -> dict[str, Any]:
    """Do what a line of standard input says; `{}` only asks for the counts."""
    given = json.loads(line)
    if given:
        seed = given.pop("seed")
        for number, direction in enumerate(directions):
            direction.impair(Impairment(**given), seed + number)
    return {
        "carried": [direction.carried for direction in directions],
        "lost": [direction.lost for direction in directions],
    }


def run(near: int, far: int) -> None:
    """Forward until standard input ends."""
    directions = (Direction(near, far), Direction(far, near))
    waits = select.poll()
    for descriptor in (near, far, sys.stdin.fileno()):
        waits.register(descriptor, select.POLLIN)
    while True:
        dues = [direction.due for direction in directions if direction.due is not None]
        # Rounded up: a poll that returns too early would spin until the packet is due.
        wait_ms = max(0.0, min(dues) - time.monotonic()) * 1000 if dues else None
        ready = [descriptor for descriptor, _ in waits.poll(wait_ms)]
        now = time.monotonic()
        for direction in directions:
            if direction.source in ready:
                direction.take(now)
            direction.give(now)
        if sys.stdin.fileno() in ready:
            line = sys.stdin.readline()
            if not line:
                return
            sys.stdout.write(json.dumps(set_impairment(directions, line)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Two TUN devices and a bad cable between them.")
    parser.add_argument("near")
    parser.add_argument("far")
    arguments = parser.parse_args()
    ends = open_tun(arguments.near), open_tun(arguments.far)
    sys.stdout.write("{}\n")
    sys.stdout.flush()
    run(*ends)
