"""Long work on the event loop, in slices so short that nobody who waits for the loop notices."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

#: The loop's lag stays below 20 ms, of which others need some.
SLICE_S = 0.004

_Item = TypeVar("_Item")


class Slice:
    """A stretch of time that began when it was made."""

    def __init__(self) -> None:
        self._until = time.perf_counter() + SLICE_S

    @property
    def is_over(self) -> bool:
        """Whether it is somebody else's turn."""
        return time.perf_counter() >= self._until


async def in_turns(items: Iterable[_Item]) -> AsyncIterator[_Item]:
    """Go through something, and let others have their turn in between."""
    turn = Slice()
    for item in items:
        yield item
        if turn.is_over:
            await asyncio.sleep(0)
            turn = Slice()
