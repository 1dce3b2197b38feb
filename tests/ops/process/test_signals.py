from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

#: A server whose drain takes until it is told to go on.
_PROGRAM = """
import asyncio, sys
import uvloop
from ops.process.signals import Signals

def say(word):
    print(word, flush=True)

async def main():
    stop = asyncio.Event()
    signals = Signals(stop.set)
    signals.on_hang_up(lambda: say("reload"))
    say("up")
    await stop.wait()
    signals.close()
    say("draining")
    await asyncio.to_thread(sys.stdin.readline)

with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
say("ended")
sys.stdin.readline()
"""


class Program:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def says(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> tuple[int, str]:
        """Its status, and what it had to complain about."""
        _, complaints = self._process.communicate(timeout=10)
        return self._process.returncode, complaints

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def program() -> Iterator[Program]:
    program = Program()
    try:
        assert program.says() == "up"
        yield program
    finally:
        program.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_either_drains_and_that_is_an_orderly_end(program: Program, number: signal.Signals) -> None:
    program.signal(signal.SIGHUP)
    assert program.says() == "reload"
    program.signal(number)
    assert program.says() == "draining"
    program.go_on()
    assert program.says() == "ended"
    program.go_on()
    assert program.end() == (0, "")


def test_no_other_signal_ends_a_drain(program: Program) -> None:
    program.signal(signal.SIGTERM)
    assert program.says() == "draining"
    for number in (signal.SIGTERM, signal.SIGHUP):
        program.signal(number)
    program.go_on()
    assert program.says() == "ended"
    program.signal(signal.SIGTERM)
    program.go_on()
    assert program.end() == (0, "")


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_drain_at_once_and_without_a_traceback(program: Program, first: signal.Signals) -> None:
    program.signal(first)
    assert program.says() == "draining"
    program.signal(signal.SIGINT)
    assert program.end() == (-signal.SIGINT, "")


def test_ctrl_c_after_the_drain_leaves_no_traceback(program: Program) -> None:
    program.signal(signal.SIGINT)
    assert program.says() == "draining"
    program.go_on()
    assert program.says() == "ended"
    program.signal(signal.SIGINT)
    assert program.end() == (-signal.SIGINT, "")
