"""For pytest: all tests run with extensions that ThreadSanitizer watches; first it has to see a race."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.sanitized.build import INBOX
from tests.sanitized.loader import load, own_process

_library = load(b"__tsan_write")
load(b"__tsan_write", INBOX)


def pytest_report_header() -> str:
    return "the native plane and the inbox of SRT are compiled with ThreadSanitizer"


def pytest_sessionstart() -> None:
    with TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", __name__], env=own_process(Path(folder) / "report"), check=False
        )
        said = "".join(path.read_text() for path in Path(folder).iterdir())
    if "data race" not in said or "in wipe" not in said:
        raise pytest.UsageError(f"two threads wrote to one place, and ThreadSanitizer said only: {said!r}")


def _race() -> None:
    memory = ctypes.create_string_buffer(4096)
    both_are_here = threading.Barrier(2)

    def write() -> None:
        both_are_here.wait()
        for _ in range(1000):
            _library.wipe(memory, ctypes.c_size_t(len(memory)))

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    _race()
