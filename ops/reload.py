"""Applies a changed configuration: when the file changes, and on SIGHUP.

An invalid file is refused with its findings in the log; the configuration in force stays.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import watchfiles

from streamer.config import Config, load
from streamer.errors import ConfigError

_log = logging.getLogger(__name__)


class Reloader:
    """Watches one file.

    Args:
        path: the configuration file.
        apply: takes each new valid configuration, on the event loop.
    """

    def __init__(self, path: Path, apply: Callable[[Config], None]) -> None:
        self._path = path
        self._apply = apply

    def reload(self) -> bool:
        """Read the file and apply it; False when it was refused."""
        try:
            config = load(self._path)
        except ConfigError as error:
            for finding in error.findings:
                _log.error("configuration refused, the old one stays: %s", finding)
            return False
        self._apply(config)
        return True

    async def run(self, stop: asyncio.Event) -> None:
        """Reload at every change until `stop` is set."""
        # The folder, not the file: editors and config maps replace the file by another.
        async for changes in watchfiles.awatch(
            self._path.absolute().parent, stop_event=stop, recursive=False
        ):
            if any(Path(changed).name == self._path.name for _, changed in changes):
                self.reload()
