"""Waiting for what another thread, or another task, does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

#: Real time that a test waits for a condition before it fails.
PATIENCE_S = 20.0


def wait_until(condition: Callable[[], object], what: str = "the condition") -> None:
    """Wait in a thread; the event loop, if there is one, stands still."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.005)


async def until(condition: Callable[[], object], what: str = "the condition") -> None:
    """Wait while the event loop goes on."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.005)
