"""`python -m loadtests PROGRAM …`; `--help` after its name tells what it measures and takes."""

from __future__ import annotations

import sys

from loadtests import (
    compare,
    demux_delay,
    engagement,
    fanout,
    first_picture,
    floor,
    join_storm,
    latency,
    loss,
    plane,
    relay,
    scale,
    soak,
    sources,
    token_checks,
)

_PROGRAMS = {
    "compare": compare.main,
    "demux-delay": demux_delay.main,
    "engagement": engagement.main,
    "fanout": fanout.main,
    "first-picture": first_picture.main,
    "floor": floor.main,
    "join-storm": join_storm.main,
    "latency": latency.main,
    "loss": loss.main,
    "plane": plane.main,
    "relay": relay.main,
    "scale": scale.main,
    "soak": soak.main,
    "sources": sources.main,
    "token-checks": token_checks.main,
}


def main() -> int:
    """Run the program that is named first."""
    if len(sys.argv) < 2 or sys.argv[1] not in _PROGRAMS:
        sys.stderr.write(f"usage: python -m loadtests {{{'|'.join(_PROGRAMS)}}} [--help]\n")
        return 2
    return _PROGRAMS[sys.argv[1]](sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
