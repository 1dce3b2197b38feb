"""Episodes: lists of steps that are written down, varied, and kept while they find something new."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

#: One step: the name of a method of `World`, and the seed of everything it chooses.
Step = tuple[str, int]

_MAX_STEPS = 60
_KEPT = 200


@dataclass(frozen=True, slots=True)
class Episode:
    """What happens to one plane.

    Attributes:
        seed: of the plane's options.
        steps: in order.
    """

    seed: int
    steps: tuple[Step, ...]

    def write(self, path: Path) -> None:
        path.write_text(json.dumps({"seed": self.seed, "steps": self.steps}))

    @classmethod
    def read(cls, path: Path) -> Episode:
        """Raises ValueError or KeyError if it is not one that `write` wrote."""
        told = json.loads(path.read_text())
        return cls(int(told["seed"]), tuple((str(name), int(seed)) for name, seed in told["steps"]))


class Corpus:
    """Episodes that found something, and new ones made of them.

    Args:
        names: of all steps, the frequent ones repeated.
        rng: decides everything, so that the same seed begins with the same episodes.
    """

    def __init__(self, names: tuple[str, ...], rng: random.Random) -> None:
        self._names = names
        self._rng = rng
        self._kept: list[Episode] = []

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, episode: Episode) -> None:
        """It reached something that no other did."""
        self._kept.append(episode)
        if len(self._kept) > _KEPT:
            del self._kept[0]

    def next(self) -> Episode:
        """A new one, or one like those that were kept."""
        rng = self._rng
        if not self._kept or rng.random() < 0.3:
            # Somebody to talk to first; everything else in any order.
            begin = [self._step(name) for name in ("open_feed", "write", "join", "join")]
            steps = begin + [self._step() for _ in range(rng.randrange(5, 40))]
            return Episode(rng.getrandbits(32), tuple(steps))
        episode = rng.choice(self._kept)
        steps = list(episode.steps)
        for _ in range(rng.choice((1, 2, 4, 8))):
            at = rng.randrange(len(steps) + 1)
            kind = rng.randrange(5)
            if kind == 0:
                steps.insert(at, self._step())
            elif kind == 1:
                del steps[at : at + rng.choice((1, 3))]
            elif kind == 2 and at < len(steps):
                steps[at] = (steps[at][0], rng.getrandbits(32))
            elif kind == 3:
                steps[at:at] = steps[at : at + 3]
            else:
                steps[at:] = rng.choice(self._kept).steps[at:]
        return Episode(episode.seed, tuple(steps[:_MAX_STEPS]))

    def _step(self, name: str | None = None) -> Step:
        return name or self._rng.choice(self._names), self._rng.getrandbits(32)
