"""Tokens for a server under test, made as `streamer token` makes them beside a running one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from auth.actions import Action
from auth.patterns import EVERYTHING
from auth.tokens import TokenOrder, implied
from ops.database import database_url, make_engine
from ops.identity import MASTER_KEY_FILE, Identity
from ops.vault import FileVault
from streamer.config import load

_LIFETIME_S = 24 * 3600.0


def admin_token(config_path: Path) -> str:
    """A token to administer with, for the longest time that one may have."""
    return issue_tokens(config_path, [TokenOrder(implied([Action.ADMIN]), (EVERYTHING,), _LIFETIME_S)])[0]


def issue_tokens(config_path: Path, orders: Sequence[TokenOrder]) -> list[str]:
    """Tokens as ordered; the server must have started once."""
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
    config = load(config_path)
    key_file = config.state.dir / MASTER_KEY_FILE
    # The server has brought its database up to date, which need not be looked at again each time.
    engine = make_engine(database_url(config))
    identity = Identity(engine, FileVault(key_file), key_file, time.time)
    try:
        await identity.authority.refresh()
        return [(await identity.issue_token(order)).token for order in orders]
    finally:
        await identity.close()
