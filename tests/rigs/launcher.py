"""Servers under test begin as forks of one process that has imported them, which takes most of a start.

A new interpreter loads two thousand modules before it serves. Here one does so, once for each process that
runs tests, and forks a child for each command: with its own arguments, environment and output. The child is
orphaned at once, and so becomes the child of who runs the tests, to signal and to wait for as any other.

Loading starts no thread and no event loop and opens nothing; what is made, is made in the child.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loadtests.rig.process import Child, Process

_ROOT = Path(__file__).parents[2]
#: Modules that are run, and the imports which that brings with it.
_PREPARED = {"ops": ("ops.cli", "ops.server")}
#: Of the environment what is read when a server starts; the rest is read by the interpreter, before.
_FREE = ("STREAMER", "PYTHONPATH")
_PR_SET_CHILD_SUBREAPER = 36
_PID = struct.Struct("i")


class Forked:
    """A child that another process made; to be used like `subprocess.Popen`."""

    def __init__(self, pid: int, command: Sequence[str]) -> None:
        self.pid = pid
        self.args = command
        self.returncode: int | None = None
        self._ended = os.pidfd_open(pid)
        # Whoever waits second would wait for a process that is no more.
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        with self._lock:
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    os.close(self._ended)
                    self.returncode = os.waitstatus_to_exitcode(status)
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            left = None if deadline is None else deadline - time.monotonic()
            if timeout is not None and left is not None and left <= 0:
                raise subprocess.TimeoutExpired(self.args, timeout)
            # In steps, for another thread may have waited for it and closed the descriptor.
            select.select([self._ended], [], [], min(1.0, left) if left is not None else 1.0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Launcher:
    """The process that is forked, begun when it is first needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def start(
        self,
        command: Sequence[str],
        *,
        stdout: Any,
        stderr: Any,
        env: Mapping[str, str] | None = None,
        stdin: Any = subprocess.DEVNULL,
        cwd: str | None = None,
    ) -> Child:
        """As `subprocess.Popen`, which is left what is not prepared here. Standard input is empty."""
        prepared = list(command[:2]) == [sys.executable, "-m"] and command[2] in _PREPARED
        env = dict(os.environ) if env is None else env
        if not prepared or _fixed(env) != _fixed(os.environ):
            return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, env=env, cwd=cwd)
        link = self._socket or self._begin()
        folder = cwd or os.getcwd()
        request = json.dumps(
            {"command": list(command[2:]), "environment": dict(env), "folder": folder}
        ).encode()
        with open(os.devnull, "rb") as nothing:
            output = stdout.fileno()
            error = output if stderr == subprocess.STDOUT else stderr.fileno()
            socket.send_fds(link, [request], [nothing.fileno(), output, error])
        answer = link.recv(_PID.size)
        if not answer:
            raise RuntimeError("what forks servers under test has ended; its last words are above")
        (pid,) = _PID.unpack(answer)
        return Forked(pid, list(command))

    def close(self) -> None:
        """End it; children live on."""
        if self._socket is not None and self._process is not None:
            self._socket.close()
            self._process.wait()

    def _begin(self) -> socket.socket:
        # Orphans below this process become its children.
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                # A library that counts its threads by the processors would have them before the fork.
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=_ROOT,
            )
        self._socket = ours
        return ours


@contextmanager
def launching() -> Iterator[None]:
    """While it lasts, processes of the rigs are forked where they can be."""
    launcher = Launcher()
    Process.begin = launcher.start
    try:
        yield
    finally:
        Process.begin = subprocess.Popen
        launcher.close()


def _fixed(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(_FREE)}


def _main(descriptor: int) -> None:
    # Ctrl-C is for who runs the tests.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    for name in (name for names in _PREPARED.values() for name in names):
        importlib.import_module(name)
    gc.freeze()
    gc.enable()
    assert len(os.listdir("/proc/self/task")) == 1, "a thread would be missing in each child"
    link = socket.socket(fileno=descriptor)
    while True:
        request, descriptors, _, _ = socket.recv_fds(link, 1 << 20, 3)
        if not request:
            return
        pid = _orphan()
        if pid == 0:
            link.close()
            break
        for each in descriptors:
            os.close(each)
        link.send(_PID.pack(pid))
    _become(json.loads(request), descriptors)


def _orphan() -> int:
    """Fork a child of nobody's; returns its id, and 0 in the child."""
    reader, writer = os.pipe()
    between = os.fork()
    if not between:
        os.close(reader)
        pid = os.fork()
        if not pid:
            os.close(writer)
            return 0
        os.write(writer, _PID.pack(pid))
        os._exit(0)
    os.close(writer)
    os.waitpid(between, 0)
    (pid,) = _PID.unpack(os.read(reader, _PID.size))
    os.close(reader)
    return int(pid)


def _become(request: dict[str, Any], descriptors: list[int]) -> None:
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = request["command"]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
