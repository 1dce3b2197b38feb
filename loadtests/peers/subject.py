"""A server under test, whoever made it: where to join, which process to watch."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Delays:
    """From an access unit's writing until its last packet is with the kernel, over the last ten seconds."""

    p50_ms: float
    p99_ms: float
    max_ms: float


UNKNOWN_DELAYS = Delays(math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Subject:
    """A running server with one live stream.

    Attributes:
        name: for the table.
        url: where viewers join.
        signalling: "whep" or "janus".
        host: the address of this machine from which the server can be reached.
        pid: of its process; None if it runs elsewhere.
        plane: what sends the media, in the server's own words.
        cipher: whose cipher it uses, as above.
        packets_sent: asks the server how many media packets it sent.
        send_delays: asks it how late they left.
        page: a page of the server's own that plays the stream, "" if it has none.
        viewers: asks the server what it knows of each of its viewers.
        outputs: URLs of the stream over "srt", "rtsp" and "hls", as far as it is offered there.
    """

    name: str
    url: str
    signalling: str = "whep"
    host: str = "127.0.0.1"
    pid: int | None = None
    plane: str = ""
    cipher: str = ""
    packets_sent: Callable[[], int] | None = field(default=None, repr=False)
    send_delays: Callable[[], Delays] | None = field(default=None, repr=False)
    page: str = ""
    viewers: Callable[[], list[dict[str, Any]]] | None = field(default=None, repr=False)
    outputs: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far; all threads together."""

    cpu_s: float
    rss_bytes: int
    threads: int
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> Usage:
        """Read it from /proc."""
        folder = Path(f"/proc/{pid}")
        # The second field is the command in brackets and may hold anything.
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        return cls(
            cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
            rss_bytes=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
            threads=int(fields[17]),
            descriptors=len(os.listdir(folder / "fd")),
        )


def cpu_per_s(pid: int, seconds: float) -> float:
    """Processors that a process kept busy while it was looked at for so long."""
    before, began = Usage.of(pid), time.monotonic()
    time.sleep(seconds)
    return (Usage.of(pid).cpu_s - before.cpu_s) / (time.monotonic() - began)


def stolen_s(stat: Path = Path("/proc/stat")) -> float:
    """Processor time so far that the host of this virtual machine gave to others while this one wanted it."""
    _, *ticks = stat.read_text().split("\n", 1)[0].split()
    return int(ticks[7]) / _TICKS_PER_S
