"""A bad cable between a namespace with a server and a new one for a browser.

Two kinds. "netem" is the kernel's own. It sees a GSO run of several packets as one and would lose it as a
whole, which no network does; so the server's end of the veth pair segments (`gso_max_segs 1`), and netem sits
behind it, on an ifb device that everything arriving at the far end goes through. What comes back (feedback,
never a run) meets netem at the far end's exit. "tun" is `forwarder.py`, for kernels that were built without
netem. There the kernel segments on its way into the device, and the same seed loses the same packets.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from loadtests.peers.impairment import Impairment
from loadtests.peers.namespace import Namespace, ip, namespace, plug_in, run, unplugged
from loadtests.rig.process import wait_until

_IFB = "ifb-in"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a cable did so far, toward the far end and back.

    Attributes:
        carried: packets that arrived.
        lost: packets that did not.
    """

    carried: tuple[int, int]
    lost: tuple[int, int]

    def loss_since(self, earlier: Traffic) -> tuple[float, float]:
        """Share of packets lost in either direction between two moments."""
        lost = [now - then for now, then in zip(self.lost, earlier.lost, strict=True)]
        carried = [now - then for now, then in zip(self.carried, earlier.carried, strict=True)]
        there, back = (a / max(1, a + b) for a, b in zip(lost, carried, strict=True))
        return there, back


@dataclass(frozen=True, slots=True)
class Link:
    """A cable.

    Attributes:
        kind: "netem" or "tun".
        space: the namespace at its far end; `space.near` is an address of the server.
        impair: make it so bad; the number is the seed, which netem ignores.
        traffic: count.
    """

    kind: str
    space: Namespace
    impair: Callable[[Impairment, int], None]
    traffic: Callable[[], Traffic]


def has_netem() -> bool:
    """Whether this kernel knows netem. Needs root."""
    with unplugged() as space:
        try:
            run("tc", "-n", space.name, "qdisc", "add", "dev", "lo", "root", "netem")
        except (RuntimeError, FileNotFoundError):
            return False
        return True


def link(server: Namespace, kind: str = "auto") -> AbstractContextManager[Link]:
    """Lay a cable from a server's namespace to a new one, perfect at first.

    Args:
        server: where the near end is.
        kind: "netem", "tun", or "auto": netem if the kernel has it.
    """
    if kind == "auto":
        kind = "netem" if has_netem() else "tun"
    return {"netem": _netem, "tun": _tun}[kind](server)


@contextmanager
def _netem(server: Namespace) -> Iterator[Link]:
    with namespace(server) as space:
        near, far = space.devices
        ip("-n", server.name, "link", "set", near, "gso_max_segs", "1")
        ip("-n", space.name, "link", "add", _IFB, "type", "ifb")
        ip("-n", space.name, "link", "set", _IFB, "up")
        for command in redirection(far, _IFB):
            run("tc", "-n", space.name, *command)
        for device in (_IFB, far):
            run("tc", "-n", space.name, "qdisc", "add", "dev", device, "root", "netem", *Impairment().netem())

        def impair(impairment: Impairment, _: int) -> None:
            for device in (_IFB, far):
                command = ("qdisc", "change", "dev", device, "root", "netem", *impairment.netem())
                run("tc", "-n", space.name, *command)

        def traffic() -> Traffic:
            there, back = (
                tc_counts(run("tc", "-n", space.name, "-s", "-j", "qdisc", "show", "dev", device, "root"))
                for device in (_IFB, far)
            )
            return Traffic((there[0], back[0]), (there[1], back[1]))

        yield Link("netem", space, impair, traffic)


def redirection(device: str, ifb: str) -> list[list[str]]:
    """Arguments of `tc` that send what arrives at a device through another one first."""
    return [
        ["qdisc", "add", "dev", device, "handle", "ffff:", "ingress"],
        [
            *("filter", "add", "dev", device, "parent", "ffff:", "protocol", "ip", "u32"),
            *("match", "u32", "0", "0", "action", "mirred", "egress", "redirect", "dev", ifb),
        ],
    ]


def tc_counts(text: str) -> tuple[int, int]:
    """Packets sent and dropped by a device's root, from what `tc -s -j qdisc show` prints."""
    root = next(entry for entry in json.loads(text) if entry.get("root"))
    return int(root["packets"]), int(root["drops"])


@contextmanager
def _tun(server: Namespace) -> Iterator[Link]:
    with unplugged() as space:
        command = [sys.executable, "-m", "loadtests.peers.forwarder", *space.devices]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                if not _line(process):
                    raise RuntimeError("the forwarder ended at once; its last words are above")
                # The devices stay with the process that made them, wherever they are moved to.
                for device, where in zip(space.devices, (server, space), strict=True):
                    # Its queue of 500 packets is shorter than what a burst of several viewers holds.
                    ip("link", "set", device, "txqueuelen", "10000", "netns", where.name)
                plug_in(space, server)

                def ask(**request: object) -> Traffic:
                    assert process.stdin is not None
                    process.stdin.write(json.dumps(request) + "\n")
                    process.stdin.flush()
                    answer: dict[str, Any] = json.loads(_line(process) or "{}")
                    if not answer:
                        raise RuntimeError("the forwarder ended; its last words are above")
                    return Traffic(tuple(answer["carried"]), tuple(answer["lost"]))

                def impair(impairment: Impairment, seed: int) -> None:
                    ask(**asdict(impairment), seed=seed)

                yield Link("tun", space, impair, ask)
            finally:
                assert process.stdin is not None
                process.stdin.close()
                wait_until(lambda: process.poll() is not None, 10, "the forwarder to end")


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()
