"""`python -m loadtests fanout|join-storm|latency|loss|soak …`; `--help` after each tells what it takes."""

from __future__ import annotations

import sys

from loadtests import fanout, join_storm, latency, loss, soak

_PROGRAMS = {
    "fanout": fanout.main,
    "join-storm": join_storm.main,
    "latency": latency.main,
    "loss": loss.main,
    "soak": soak.main,
}


def main() -> int:
    """Run the program that is named first."""
    if len(sys.argv) < 2 or sys.argv[1] not in _PROGRAMS:
        sys.stderr.write(f"usage: python -m loadtests {{{'|'.join(_PROGRAMS)}}} [--help]\n")
        return 2
    return _PROGRAMS[sys.argv[1]](sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
