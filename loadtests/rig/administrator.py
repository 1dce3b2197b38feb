"""Tokens for a server under test, made as `streamer token` makes them beside a running one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

from auth.actions import Action
from auth.patterns import EVERYTHING
from auth.tokens import TokenOrder, implied
from ops.identity import open_identity
from streamer.config import load

_LIFETIME_S = 24 * 3600.0


def admin_token(config_path: Path) -> str:
    """A token to administer with, for the longest time that one may have."""
    return issue_tokens(config_path, [TokenOrder(implied([Action.ADMIN]), (EVERYTHING,), _LIFETIME_S)])[0]


def issue_tokens(config_path: Path, orders: Sequence[TokenOrder]) -> list[str]:
    """Tokens as ordered."""
    made: list[str] = []

    def make() -> None:
        made.extend(asyncio.run(_issue(config_path, orders)))

    # In a thread: whoever asks may be on an event loop.
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    assert len(made) == len(orders), "no tokens were made"
    return made


async def _issue(config_path: Path, orders: Sequence[TokenOrder]) -> list[str]:
    identity = await open_identity(load(config_path))
    try:
        return [(await identity.issue_token(order)).token for order in orders]
    finally:
        await identity.close()
