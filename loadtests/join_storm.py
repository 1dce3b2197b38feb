"""How a server bears many viewers who all come within a second.

python -m loadtests join-storm --viewers 200 [--within 1] [--peer janus|aiortc|URL] [--json FILE]

The same report as of `fanout`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict

from loadtests.fanout import Load, arguments_of, remarks, run, subject_for, table
from loadtests.results import report


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="loadtests join-storm", description=(__doc__ or "").splitlines()[0])
    arguments_of(parser)
    parser.add_argument("--within", type=float, default=1.0, help="seconds; 0 for all at once")
    parser.set_defaults(viewers=200, seconds=5.0)
    given = parser.parse_args(arguments)
    rate = given.viewers / given.within if given.within else 0.0
    load = Load(given.viewers, given.mbps, given.seconds, rate, given.check_every)
    with subject_for(given.peer, given.mbps, given.host) as subject:
        result = run(subject, load)
    report(table([result]) + "\n" + remarks(result), [asdict(result)], given)
    return 0 if result.joined == load.viewers else 1
