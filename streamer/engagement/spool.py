"""Batches on disk until the database has them: a file each, the oldest first, and only so many bytes.

What a full disk does not take waits in memory; it is lost only if the process ends before there is room.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from pathlib import Path

_log = logging.getLogger(__name__)

_SUFFIX = ".batch"
_ABANDONED_S = 60.0


class Spool:
    """A folder of batches. Its methods read and write files: call them from a thread, one at a time.

    Args:
        folder: made when there is none.
        max_bytes: of all batches; beyond it the oldest are given up.

    Attributes:
        dropped: batches that were given up since the start.
        size: bytes that are kept.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.dropped = 0
        self._folder = folder
        self._max_bytes = max_bytes
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in folder.glob("*.tmp"):
            # Another process may be about to write it: a command beside a server opens its spool, too.
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                path.unlink(missing_ok=True)
        # The number in front keeps the order.
        self._files = {path.name: path.stat().st_size for path in sorted(folder.glob(f"*{_SUFFIX}"))}
        self._unwritten: dict[str, bytes] = {}
        self._next = 1 + max((int(name.partition("-")[0]) for name in self._files), default=0)
        self.size = sum(self._files.values())

    def __len__(self) -> int:
        """How many batches wait."""
        return len(self._files)

    def put(self, id: str, data: bytes) -> None:
        """Keep a batch, and write those that the disk did not take before.

        Args:
            id: its name, of letters, digits, dots and dashes.
            data: it.
        """
        name = f"{self._next:012d}-{id}{_SUFFIX}"
        self._next += 1
        self._files[name] = len(data)
        self.size += len(data)
        self._unwritten[name] = data
        self._write()
        while self.size > self._max_bytes and len(self._files) > 1:
            oldest = next(iter(self._files))
            self.dropped += 1
            _log.error("the spool of viewing sessions is full: %s is given up", oldest)
            self._forget(oldest)

    def oldest(self, count: int) -> list[tuple[str, bytes]]:
        """The batches that have waited longest, with their names."""
        found = []
        for name in list(self._files)[:count]:
            if (unwritten := self._unwritten.get(name)) is not None:
                found.append((_id(name), unwritten))
                continue
            try:
                found.append((_id(name), (self._folder / name).read_bytes()))
            except FileNotFoundError:
                self.size -= self._files.pop(name)
        return found

    def remove(self, ids: set[str]) -> None:
        """They are where they belong."""
        for name in [name for name in self._files if _id(name) in ids]:
            self._forget(name)

    def rewrite(self, id: str, data: bytes) -> None:
        """Put another batch in the place of one, under the same name."""
        for name in [name for name in self._files if _id(name) == id]:
            if name in self._unwritten:
                self._unwritten[name] = data
            else:
                _replace(self._folder / name, data)
            self.size += len(data) - self._files[name]
            self._files[name] = len(data)

    def _write(self) -> None:
        """Bring to disk what is not there yet, as far as it goes."""
        for name, data in list(self._unwritten.items()):
            try:
                _replace(self._folder / name, data)
            except OSError as error:
                _log.error(
                    "%d batches of viewing sessions wait in memory, the disk does not take them: %s",
                    len(self._unwritten),
                    error,
                )
                return
            del self._unwritten[name]

    def _forget(self, name: str) -> None:
        if self._unwritten.pop(name, None) is None:
            (self._folder / name).unlink(missing_ok=True)
        self.size -= self._files.pop(name)


def _replace(path: Path, data: bytes) -> None:
    """Write a file, or leave what was there.

    Raises:
        OSError: the disk does not take it.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        temporary.rename(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _id(name: str) -> str:
    return name.partition("-")[2].removesuffix(_SUFFIX)
