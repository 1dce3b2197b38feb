"""Applies a changed configuration: when the file changes, and on SIGHUP.

An invalid file is refused with its findings in the log; the configuration in force stays. So it does while a
file is being written, and when nothing is left of one, as after an editor found the disk full: read as it is,
that would end every stream.
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

# How often is looked whether something changed, in a thread that wakes up for it.
_LOOK_EVERY_MS = 250
#: A file that did not change for so long is not being written any more.
_SETTLED_S = 0.25


class Reloader:
    """Watches one file.

    Args:
        path: the configuration file.
        apply: takes each new valid configuration, on the event loop.
    """

    def __init__(self, path: Path, apply: Callable[[Config], None]) -> None:
        self._path = path
        self._apply = apply
        self._seen = self._stamp()
        self._filled = not self._is_empty()

    def reload(self) -> bool:
        """Read the file and apply it; False when it was refused."""
        self._seen = self._stamp()
        if self._filled and self._is_empty():
            _log.error("configuration refused, the old one stays: %s is empty", self._path)
            return False
        try:
            config = load(self._path)
        except ConfigError as error:
            for finding in error.findings:
                _log.error("configuration refused, the old one stays: %s", finding)
            return False
        except Exception as error:  # a file must not end the streams that run; its text may quote secrets
            _log.error("configuration refused, the old one stays: %s while reading", type(error).__name__)
            return False
        try:
            self._apply(config)
        except Exception:  # the streams that run must not end with it
            _log.exception("configuration could not be applied")
            return False
        self._filled = not self._is_empty()
        return True

    async def run(self, stop: asyncio.Event, applied: Config | None = None) -> None:
        """Reload at every change until `stop` is set.

        Args:
            stop: ends it.
            applied: what is in force; if the file says something else by now, that is applied first.
        """
        if applied is not None and self._differs(applied):
            self.reload()
        # The folder, not the file: editors replace the file by another, and a config map replaces a folder
        # that the file's symbolic link leads through, so the file's own name need not be among the changes.
        folder = self._path.absolute().parent
        async for _ in watchfiles.awatch(folder, stop_event=stop, recursive=False, step=_LOOK_EVERY_MS):
            while (stamp := self._stamp()) != self._seen:
                await asyncio.sleep(_SETTLED_S)
                if self._stamp() == stamp:
                    self.reload()

    def _differs(self, applied: Config) -> bool:
        try:
            return load(self._path) != applied
        except Exception:  # whatever is wrong with it, `reload` tells
            return True

    def _is_empty(self) -> bool:
        """Whether nothing is in the file, as seen last."""
        return bool(self._seen) and self._seen[2] == 0

    def _stamp(self) -> tuple[int, ...]:
        """What tells one content of the file from another without reading it."""
        try:
            status = self._path.stat()
        except OSError:
            return ()
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
