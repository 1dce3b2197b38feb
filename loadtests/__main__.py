"""`python -m loadtests PROGRAM …`; `--help` after its name tells what it measures and takes."""

from __future__ import annotations

import importlib
import sys

_PROGRAMS = (
    "compare",
    "demux-delay",
    "engagement",
    "fanout",
    "first-picture",
    "floor",
    "join-storm",
    "latency",
    "loss",
    "narrow",
    "outputs",
    "plane",
    "relay",
    "scale",
    "soak",
    "sources",
    "token-checks",
)
_OURS = ("auth", "loadtests", "ops", "streamer", "tests", "transport")


def main() -> int:
    """Run the program that is named first."""
    if len(sys.argv) < 2 or sys.argv[1] not in _PROGRAMS:
        sys.stderr.write(f"usage: python -m loadtests {{{'|'.join(_PROGRAMS)}}} [--help]\n")
        return 2
    name = sys.argv[1]
    try:
        # Only this one: the others may need what is not installed.
        program = importlib.import_module(f"loadtests.{name.replace('-', '_')}")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in _OURS:
            raise
        sys.stderr.write(f"{name} needs {missing}, which is not installed; run `make setup-test` first\n")
        return 2
    code: int = program.main(sys.argv[2:])
    return code


if __name__ == "__main__":
    sys.exit(main())
