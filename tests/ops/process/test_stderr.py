"""Standard error that nobody reads, or that takes nothing."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from ops.process.stderr import StandardError


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """Both ends, the one to read from first."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        yield reading, stream
    os.close(reading)


def handler_on(stream: TextIO, patience_s: float = 60.0) -> StandardError:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", stream)
        return StandardError(patience_s)


def say(handler: StandardError, text: str) -> None:
    handler.handle(logging.LogRecord("test", logging.INFO, __file__, 1, text, (), None))


def test_lines_come_as_they_are(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    handler = handler_on(stream)
    say(handler, "one")
    say(handler, "two \udc80")
    assert os.read(reading, 100) == b"one\ntwo \\udc80\n"


def test_nobody_waits_for_a_reader_that_is_gone_astray(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    handler = handler_on(stream, patience_s=0.0)
    said = 0
    taken = b""
    # More than any pipe holds; a longer line than one that goes at once is torn.
    while not handler.lost:
        said += 1
        say(handler, f"{said} " + "x" * 9000)
    for _ in range(9):
        say(handler, "lost")
    while not taken.endswith(b"again\n"):
        taken += os.read(reading, 1 << 20)
        say(handler, "again")
    lines = taken.decode().splitlines()
    assert [line.split()[0] for line in lines[: said - 1]] == [str(each) for each in range(1, said)]
    assert lines.index("10 entries of the log are lost, nobody took them in time") in (said - 1, said)
    assert "lost" not in lines


def test_a_disk_that_is_full_is_told_of_when_there_is_room(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full, (tmp_path / "log").open("w") as roomy:
        handler = handler_on(full)
        say(handler, "lost")
        os.dup2(roomy.fileno(), full.fileno())
        say(handler, "kept")
    told = (tmp_path / "log").read_text().splitlines()
    assert told == ["1 entries of the log are lost, nobody took them in time", "kept"]
