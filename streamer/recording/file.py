"""One file while it is written: a header, then fragments, each of which is in it whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from streamer.recording.sealed import DURATION_AT, RecordSealer
from transport.cmaf import length, length_offset

#: What a machine that loses its power may cost; one whose server dies loses no fragment that was written.
_SYNC_EVERY_S = 5.0


class RecordingFile:
    """Open from the beginning to `close`. One thread.

    Args:
        id: of the recording.
        path: where it is made.
        header: see `transport.cmaf.header`, with a place for its length.
        sealer: encrypts it; None for a file in the clear.

    Attributes:
        size: bytes that are written.
        duration_s: of what is written.

    Raises:
        FileExistsError: there is such a file.
        OSError: it cannot be written; none is left then.
    """

    def __init__(self, id: str, path: Path, header: bytes, sealer: RecordSealer | None = None) -> None:
        self.id = id
        self.size = 0
        self.duration_s = 0.0
        self._path = path
        self._sealer = sealer
        self._length_at = DURATION_AT if sealer is not None else length_offset(header)
        self._synced_s = 0.0
        self._is_closed = False
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            self._write(sealer.head + sealer.seal(header) if sealer is not None else header)
        except OSError:
            self.close()
            raise

    def append(self, fragment: bytes, duration_s: float) -> None:
        """Write one fragment, and how long the file is with it.

        Raises:
            OSError: it cannot be written; the file ends with the fragment before.
        """
        self._write(self._sealer.seal(fragment) if self._sealer is not None else fragment)
        self.duration_s += duration_s
        os.pwrite(self._descriptor, length(self.duration_s), self._length_at)
        if self.duration_s - self._synced_s >= _SYNC_EVERY_S:
            self._synced_s = self.duration_s
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Complete it; one without a fragment is removed. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        with suppress(OSError):  # what is written stays written as far as the disk lets it
            os.fdatasync(self._descriptor)
        with suppress(OSError):
            os.close(self._descriptor)
        if not self.duration_s:
            with suppress(OSError):
                self._path.unlink()

    def _write(self, data: bytes) -> None:
        left, at = memoryview(data), self.size
        try:
            while left:
                written = os.pwrite(self._descriptor, left, at)
                left, at = left[written:], at + written
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size = at
