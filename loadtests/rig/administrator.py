"""Prepared for a server under test: its database, and tokens as `streamer token` makes them beside it."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from auth.permissions.actions import Action
from auth.permissions.patterns import EVERYTHING
from auth.tokens.tokens import TokenOrder, implied
from ops.identity.identity import open_identity
from ops.storage.database import database_url, open_database
from streamer.config import Config, load, parse

_LIFETIME_S = 24 * 3600.0
_Made = TypeVar("_Made")


def admin_token(config_path: Path) -> str:
    """A token to administer with, for the longest time that one may have."""
    return issue_tokens(config_path, [TokenOrder(implied([Action.ADMIN]), (EVERYTHING,), _LIFETIME_S)])[0]


def issue_tokens(config_path: Path, orders: Sequence[TokenOrder]) -> list[str]:
    """Tokens as ordered."""
    return _apart(_issue(config_path, orders))


@cache
def empty_database() -> Path:
    """A SQLite database that is up to date, to be copied: bringing one up to date takes a second."""
    folder = Path(tempfile.mkdtemp(prefix="streamer-database-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    config = parse({"state": {"dir": str(folder)}})
    _apart(_make_empty(config))
    return Path(str(database_url(config).database))


def _apart(work: Coroutine[Any, Any, _Made]) -> _Made:
    # In a thread: whoever asks may be on an event loop.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _make_empty(config: Config) -> None:
    await (await open_database(database_url(config))).dispose()


async def _issue(config_path: Path, orders: Sequence[TokenOrder]) -> list[str]:
    identity = await open_identity(load(config_path))
    try:
        return [(await identity.issue_token(order)).token for order in orders]
    finally:
        await identity.close()
