"""The near end of the pipe to the crowd's process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from loadtests.crowd.tally import Counts


@dataclass(frozen=True, slots=True)
class Joins:
    """How a round of joins went, see `crowd.Joined`."""

    joined: int
    failed: dict[str, int]
    seconds: float
    latencies_ms: list[float]
    profiles: dict[str, int]


@dataclass(frozen=True, slots=True)
class Moment:
    """The crowd at a moment of CLOCK_MONOTONIC.

    Attributes:
        cpu_s: processor time the crowd has used.
        viewers: that are watching.
        counts: what they received.
        first_packets_ms: of the viewers that check, from the request to the first packet.
    """

    at: float
    cpu_s: float
    viewers: int
    counts: Counts
    first_packets_ms: list[float]


class Driver:
    """Tells the crowd what to do; every call waits until it is done."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def join(self, count: int, rate: float) -> Joins:
        """Let viewers join at a rate per second, 0 for all at once."""
        return Joins(**self._ask(do="join", count=count, rate=rate))

    def moment(self) -> Moment:
        """Count."""
        answer = self._ask(do="counts")
        return Moment(**{**answer, "counts": Counts(**answer["counts"])})

    def report(self) -> None:
        """From now on everybody's player reports, as often as the server wants to know."""
        self._ask(do="report")

    def leave(self, count: int) -> None:
        """Let the oldest go."""
        self._ask(do="leave", count=count)

    def _ask(self, **request: object) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the crowd's process ended; its last words are above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def crowd(
    url: str, *, signalling: str = "whep", host: str = "127.0.0.1", check_every: int = 20
) -> Iterator[Driver]:
    """A crowd in a process of its own; all its viewers leave at the end."""
    command = [sys.executable, "-m", "loadtests.crowd", url, "--signalling", signalling]
    command += ["--host", host, "--check-every", str(check_every)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Driver(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
