"""`python -m tests.sanitized -m pytest …`: a Python command with the sanitized extension."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.sanitized.build import FOLDER, ROOT, extension, preloads
from tests.sanitized.loader import REPORT_VARIABLE, VARIABLE


def environment(report: str) -> dict[str, str]:
    """Of a process that loads the sanitized extension.

    Args:
        report: path without process id; not standard error, which pytest keeps for itself.
    """
    common = f"log_path={report}:print_stacktrace=1:halt_on_error=1"
    address = (
        "detect_leaks=1:leak_check_at_exit=0:detect_stack_use_after_return=1:strict_string_checks=1:"
        "allocator_may_return_null=1:quarantine_size_mb=64"
    )
    return os.environ | {
        VARIABLE: str(extension()),
        REPORT_VARIABLE: report,
        "LD_PRELOAD": preloads(),
        "ASAN_OPTIONS": f"{common}:{address}",
        "UBSAN_OPTIONS": common,
        # The sanitizer sees each object, and not only the arenas they are in.
        "PYTHONMALLOC": "malloc",
    }


def main() -> int:
    """Run the command; what the sanitizers found goes to standard error."""
    extension()
    for old in FOLDER.glob("report.*"):
        old.unlink()
    child = subprocess.Popen(
        [sys.executable, *sys.argv[1:]], cwd=ROOT, env=environment(str(FOLDER / "report"))
    )
    status = child.wait()
    report = FOLDER / f"report.{child.pid}"
    if report.exists() and (text := report.read_text()):
        sys.stderr.write(text)
        status = status or 1
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
