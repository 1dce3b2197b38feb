"""Puts sanitized extensions where the ordinary ones would be, and knows that they are the ones that run."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from tests.sanitized.build import PLANE, find

#: Folder of the extensions, set by `__main__.py`.
VARIABLE = "SANITIZED_EXTENSIONS"
#: Where the sanitizers write, followed by a dot and the process id.
REPORT_VARIABLE = "SANITIZED_REPORT"


class _Finder(MetaPathFinder):
    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._path = path

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path)


def load(symbol: bytes, name: str = PLANE) -> ctypes.CDLL:
    """Load an extension, which calls this function of its sanitizer.

    Raises:
        RuntimeError: the process runs another extension, or one without that sanitizer.
    """
    if name in sys.modules:
        raise RuntimeError(f"{name} was loaded before the sanitized one could be")
    wanted = find(Path(os.environ[VARIABLE]), name)
    sys.meta_path.insert(0, _Finder(name, wanted))
    loaded = importlib.import_module(name).__file__
    if loaded != str(wanted):
        raise RuntimeError(f"{name} is {loaded}, expected {wanted}")
    if symbol not in wanted.read_bytes():
        raise RuntimeError(f"{wanted} was compiled without {symbol.decode()}")
    return ctypes.CDLL(wanted)


def own_process(report: Path) -> dict[str, str]:
    """The environment of a process that reports apart from this one.

    Args:
        report: where to, followed by a dot and its id.
    """
    ours = os.environ[REPORT_VARIABLE]
    return os.environ | {
        name: os.environ[name].replace(ours, str(report))
        for name in (REPORT_VARIABLE, "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS")
    }


class Sanitized:
    """The extension with AddressSanitizer, and what was compiled into it besides.

    Raises:
        RuntimeError: as `load`.
    """

    def __init__(self) -> None:
        self.library = load(b"__asan_report_store")
        self.library.nonces_seen.restype = ctypes.c_size_t
        # By item, as a class mangles what begins with two underscores; an error if there is no sanitizer.
        self._look_for_leaks = ctypes.CDLL(None)["__lsan_do_recoverable_leak_check"]

    @property
    def edges_seen(self) -> int:
        """Edges of the C code that ran so far."""
        return int(self.library.edges_seen())

    @property
    def nonces_seen(self) -> int:
        """Pairs of key and IV that encrypted something so far."""
        return int(self.library.nonces_seen())

    def leaks(self) -> list[str]:
        """What the plane allocated and nobody can reach any more; Python's own leaks are left out."""
        report = Path(f"{os.environ[REPORT_VARIABLE]}.{os.getpid()}")
        before = len(report.read_text()) if report.exists() else 0
        self._look_for_leaks()
        if not report.exists():
            return []
        text = report.read_text()[before:]
        os.truncate(report, before)
        if "LeakSanitizer: detected memory leaks" not in text:
            return [text]  # it could not look
        leaks = re.findall(r"^(?:Direct|Indirect) leak of .*?(?:\n\n|\Z)", text, re.DOTALL | re.MULTILINE)
        return [leak for leak in leaks if "/plane/core/" in leak]
