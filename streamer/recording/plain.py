"""A recording in the clear, read like one that is encrypted."""

from __future__ import annotations

import os
from pathlib import Path


class PlainReader:
    """A file, read as far as it goes now. Blocks for the disk.

    Args:
        path: of the file, which may still be written.

    Attributes:
        size: bytes.

    Raises:
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._descriptor).st_size

    def read(self, at: int, count: int) -> bytes:
        """Some of it: not more than `count`, and at least one byte before the end.

        Raises:
            OSError: it cannot be read.
        """
        return os.pread(self._descriptor, count, at)

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
