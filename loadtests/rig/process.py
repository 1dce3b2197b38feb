"""A child process that is certain to end, and whose output is at hand when something goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Protocol, Self


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Wait in steps of 20 ms until something holds.

    Raises:
        TimeoutError: it did not; `what` says what was waited for.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}")
        time.sleep(0.02)


class Child(Protocol):
    """What is used of `subprocess.Popen`."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, return its exit code."""
        ...

    def send_signal(self, sig: int, /) -> None:
        """Send a signal unless it has ended."""
        ...

    def terminate(self) -> None:
        """Send SIGTERM."""
        ...

    def kill(self) -> None:
        """Send SIGKILL."""
        ...


class Process:
    """One child process. A context manager: it is running inside, and ended outside.

    Args:
        command: program and arguments.
        environment: variables on top of this process's own.
        itself: whether it is the command itself in any case, see `begin`.

    Attributes:
        begin: starts one; tests, which start very many, have something quicker.
        command: as given.
    """

    begin: ClassVar[Callable[..., Child]] = subprocess.Popen

    def __init__(
        self, command: Sequence[str], environment: dict[str, str] | None = None, *, itself: bool = False
    ) -> None:
        self.command = list(command)
        self._environment = {**os.environ, **(environment or {})}
        self._begin: Callable[..., Child] = subprocess.Popen if itself else self.begin
        self._process: Child | None = None
        self._output: Path | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """True until it has ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def output(self) -> str:
        """What it wrote so far, standard output and error together."""
        return self._output.read_text(errors="replace") if self._output is not None else ""

    def start(self) -> None:
        """Start it."""
        descriptor, name = tempfile.mkstemp(suffix=".log")
        self._output = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            self._process = self._begin(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=self._environment,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, timeout_s: float) -> int:
        """Wait for its end, return its exit code.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        assert self._process is not None
        return self._process.wait(timeout_s)

    def stop(self, timeout_s: float = 10.0) -> int:
        """End it, with SIGTERM and if need be SIGKILL; return its exit code."""
        if self._process is None:
            return 0
        if self.running:
            self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self.wait(timeout_s)

    def kill(self) -> None:
        """End it at once, without a goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it; add its last words to an error that is on its way."""
        self.stop()
        if error is not None:
            error.add_note(f"{' '.join(self.command[:4])} said:\n{self.output[-4000:]}")
        if self._output is not None:
            self._output.unlink(missing_ok=True)
            self._output = None
