"""`python -m tests.sanitized memory -m pytest …`: a Python command with sanitized extensions of a kind."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.sanitized.build import KINDS, ROOT, extensions, preloads
from tests.sanitized.loader import REPORT_VARIABLE, VARIABLE


def environment(name: str, report: str) -> dict[str, str]:
    """Of a process that loads the sanitized extensions.

    Args:
        name: of its kind.
        report: path without process id; not standard error, which pytest keeps for itself.
    """
    common = f"log_path={report}:print_stacktrace=1:halt_on_error=1"
    address = (
        "detect_leaks=1:leak_check_at_exit=0:detect_stack_use_after_return=1:strict_string_checks=1:"
        "allocator_may_return_null=1:quarantine_size_mb=64"
    )
    return os.environ | {
        VARIABLE: str(extensions(name)),
        REPORT_VARIABLE: report,
        "LD_PRELOAD": preloads(KINDS[name]),
        "ASAN_OPTIONS": f"{common}:{address}",
        "UBSAN_OPTIONS": common,
        # All of them at once: which threads meet where is up to chance.
        "TSAN_OPTIONS": f"log_path={report}:halt_on_error=0:history_size=4",
        # The sanitizer sees each object, and not only the arenas they are in.
        "PYTHONMALLOC": "malloc",
    }


def main() -> int:
    """Run the command; what the sanitizers found goes to standard error."""
    name, *command = sys.argv[1:] or [""]
    if name not in KINDS or not command:
        sys.stderr.write(f"expected {' or '.join(KINDS)} and a command, not {' '.join(sys.argv[1:])!r}\n")
        return 2
    folder = extensions(name)
    for old in folder.glob("report.*"):
        old.unlink()
    child = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=environment(name, str(folder / "report"))
    )
    status = child.wait()
    report = folder / f"report.{child.pid}"
    if report.exists() and (text := report.read_text()):
        sys.stderr.write(text)
        status = status or 1
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
