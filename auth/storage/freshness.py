"""Knowing cheaply whether what was read from the database still holds.

Everything that is remembered is remembered for one generation (`auth.storage.schema`). The database is asked
for its present one a few times a second at most, however many requests there are, so that a change made by
another process counts within a quarter of a second. Who changes something here calls `doubt`, and it counts
at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from auth.storage.schema import glance

_Value = TypeVar("_Value")


class Freshness:
    """The present generation.

    Args:
        engine: the database.
        interval_s: how long an answer counts.
        monotonic: seconds, for `interval_s`.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        interval_s: float = 0.25,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._interval_s = interval_s
        self._monotonic = monotonic
        self._number = -1
        self._asked = float("-inf")
        self._doubts = 0
        self._asking = asyncio.Lock()

    async def generation(self) -> int:
        """The generation of the database, at most `interval_s` old.

        Raises:
            AuthUnavailable: the database does not answer.
        """
        if self._monotonic() - self._asked < self._interval_s:
            return self._number
        async with self._asking:
            if self._monotonic() - self._asked < self._interval_s:
                return self._number
            # As of before the question: what changes while it is under way is not in its answer.
            asked, doubts = self._monotonic(), self._doubts
            self._number = await glance(self._engine)
            if doubts == self._doubts:
                self._asked = asked
            return self._number

    def doubt(self) -> None:
        """Something was changed here; ask before answering again."""
        self._doubts += 1
        self._asked = float("-inf")


class Remembered(Generic[_Value]):
    """What was read in one generation, by key; everything is forgotten with it. Full: the oldest goes."""

    def __init__(self, max_entries: int = 10_000) -> None:
        self._max_entries = max_entries
        self._generation = -1
        self._values: dict[str, _Value] = {}

    def recall(self, key: str, generation: int) -> _Value | None:
        """What is known, if it is of this generation."""
        return self._values.get(key) if generation == self._generation else None

    def keep(self, key: str, generation: int, value: _Value) -> None:
        """Remember what was read after `generation` was."""
        if generation != self._generation:
            self._values.clear()
            self._generation = generation
        elif key not in self._values and len(self._values) >= self._max_entries:
            del self._values[next(iter(self._values))]
        self._values[key] = value

    def forget(self, key: str) -> None:
        """Read this one again next time."""
        self._values.pop(key, None)
