"""What is between two requests: a challenge, a half-done login. Single use, short-lived, bounded.

In memory of one process: it need not survive, and whoever began on a server that was restarted begins again.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Pending(Generic[_Value]):
    """Values that are waited for, by an unguessable key. Full: the oldest goes.

    Args:
        valid_s: how long each is waited for.
        max_entries: how many at the same time.
        monotonic: seconds.
    """

    def __init__(
        self,
        valid_s: float,
        *,
        max_entries: int = 10_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._valid_s = valid_s
        self._max_entries = max_entries
        self._monotonic = monotonic
        self._entries: OrderedDict[str, tuple[float, _Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, value: _Value) -> str:
        """Wait for a value; returns its key."""
        now = self._monotonic()
        # All are valid for the same time, so the first to end are the first.
        while self._entries:
            ends, _ = next(iter(self._entries.values()))
            if ends > now and len(self._entries) < self._max_entries:
                break
            self._entries.popitem(last=False)
        key = secrets.token_urlsafe(24)
        self._entries[key] = (now + self._valid_s, value)
        return key

    def take(self, key: str) -> _Value | None:
        """What was waited for, once; None when it is not, or not any more."""
        ends, value = self._entries.pop(key, (0.0, None))
        return value if ends > self._monotonic() else None

    def see(self, key: str) -> _Value | None:
        """The same without ending the wait."""
        ends, value = self._entries.get(key, (0.0, None))
        return value if ends > self._monotonic() else None
