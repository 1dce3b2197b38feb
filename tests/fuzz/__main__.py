"""The command; `--help` says what it takes."""

from __future__ import annotations

import argparse
import faulthandler
import gc
import os
import random
import secrets
import sys
import time
from pathlib import Path

from tests.sanitized.loader import VARIABLE, Sanitized

#: What is running; it stays there when the process ends with it.
#: An episode takes a tenth of a second; one that takes so long never ends.
_HANGS_S = 120.0
_EPISODE = Path("build") / "fuzz" / "episode.json"


def main() -> int:
    """Fuzz until the time is over or something is found."""
    arguments = _arguments()
    if VARIABLE not in os.environ:
        sys.stderr.write(
            "without sanitizers most faults stay unseen: python -m tests.sanitized memory -m tests.fuzz …\n"
        )
        return 2
    sanitized = Sanitized()
    _EPISODE.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(f"fuzz: seed {arguments.seed}; what fails is repeated with --repeat {_EPISODE}\n")
    sys.stdout.flush()
    if arguments.repeat:
        _repeat(arguments.repeat)
    else:
        rng = random.Random(arguments.seed)
        _fuzz_parsers(arguments.seconds / 6, rng)
        _fuzz_plane(arguments.seconds * 5 / 6, rng, sanitized)
    gc.collect()
    leaks = sanitized.leaks()
    sys.stderr.write("".join(f"the plane leaked: {leak}\n" for leak in leaks))
    return 1 if leaks else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sanitized memory -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="begin as that run did")
    parser.add_argument("--repeat", type=Path, help="run this episode instead, ten times")
    return parser.parse_args()


def _repeat(path: Path) -> None:
    from tests.fuzz import world
    from tests.fuzz.episode import Episode

    episode = Episode.read(path)
    for _ in range(10):  # threads do not meet in the same way each time
        world.run(episode)


def _fuzz_parsers(seconds: float, rng: random.Random) -> None:
    from tests.fuzz import parsers

    count = parsers.run(seconds, rng)
    sys.stdout.write(f"fuzz: {count} inputs to {len(parsers.PARSERS)} parsers\n")


def _fuzz_plane(seconds: float, rng: random.Random, sanitized: Sanitized) -> None:
    from tests.fuzz import world
    from tests.fuzz.episode import Corpus

    corpus = Corpus(world.STEPS, rng)
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        episode = corpus.next()
        episode.write(_EPISODE)
        before = sanitized.edges_seen
        faulthandler.dump_traceback_later(_HANGS_S, exit=True)
        world.run(episode)
        faulthandler.cancel_dump_traceback_later()
        if sanitized.edges_seen > before:
            corpus.keep(episode)
        count += 1
    sys.stdout.write(
        f"fuzz: {count} episodes of the plane, {len(corpus)} kept, {sanitized.edges_seen} edges, "
        f"{sanitized.nonces_seen} nonces\n"
    )


if __name__ == "__main__":
    sys.exit(main())
