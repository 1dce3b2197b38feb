"""Keeps recordings from filling the disk, on which the database is too."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from streamer.recording.errors import BeingRecorded, NoSuchRecording
from streamer.recording.library import Library
from streamer.sections.recording import RecordingConfig

_log = logging.getLogger(__name__)

#: Some file systems tell of what was removed a little later; nothing more is removed meanwhile.
_PAUSE_S = 1.0


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


class Room:
    """What is left of the disk. Any thread.

    Args:
        library: from which the oldest go, where the configuration says so.
        config: how much stays free.
        free: bytes that are, where a folder is.
        monotonic: seconds.

    Attributes:
        free: bytes, when it was looked last; 0 while there is no folder.
    """

    def __init__(
        self,
        library: Library,
        config: RecordingConfig,
        *,
        free: Callable[[Path], int] = _free,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._library = library
        self._config = config
        self._ask = free
        self.free = 0
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._removed_at = float("-inf")

    def look(self) -> None:
        """See how much is free. Blocks for the disk."""
        try:
            self.free = self._ask(self._library.root)
        except OSError:
            self.free = 0

    def lack(self) -> str:
        """Why nothing may be written, in words; "" where there is room, or was made.

        Raises:
            OSError: the disk cannot be asked.
        """
        kept = self._config.keep_free_bytes
        self.free = self._ask(self._library.root)
        if self.free >= kept:
            return ""
        if self._config.when_full == "remove_oldest":
            with self._lock:
                if self._monotonic() - self._removed_at < _PAUSE_S or self._remove_oldest():
                    return ""
        return f"less is free in {self._library.root} than recording.keep_free_bytes ({kept})"

    def _remove_oldest(self) -> bool:
        try:
            removed = self._library.remove_oldest()
        except (NoSuchRecording, BeingRecorded):
            return True  # somebody else removed it
        if removed is None:
            return False
        self._removed_at = self._monotonic()
        _log.warning("%s is removed: the disk is nearly full", removed)
        return True
