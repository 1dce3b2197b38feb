"""The recordings that are there: found by looking into the folder, so that it may be changed by hand."""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from auth.storage.lru import LruCache
from streamer.recording.errors import BeingRecorded, NoSuchRecording, RecordingDamaged
from streamer.recording.file import RecordingFile
from streamer.recording.keys import RecordingKeys
from streamer.recording.names import SEALED_SUFFIX, SUFFIX, began_at, is_stamp, is_stream, join, split, stamp
from streamer.recording.plain import PlainReader
from streamer.recording.sealed import RecordSealer, SealedReader
from transport.cmaf import Described, describe
from transport.errors import WireError

_log = logging.getLogger(__name__)

#: A header has some 2 KB.
_HEADER_BYTES = 64 * 1024
_MAX_KNOWN = 20_000
_SUFFIXES = (SUFFIX, SEALED_SUFFIX)
_NOTHING = Described(0.0, ())


@dataclass(frozen=True, slots=True)
class Recording:
    """One file.

    Attributes:
        id: see `names`.
        stream: what of.
        began_at: seconds since 1970.
        size: bytes, as it lies there.
        is_complete: nothing more is written into it.
        content: how long it is and what is in it; nothing of a file that cannot be read.
    """

    id: str
    stream: str
    began_at: float
    size: int
    is_complete: bool
    content: Described


class Library:
    """All recordings of a server. Blocks for the disk; any thread.

    Args:
        root: with a folder for each stream; made when the first recording is.
        keys: for those that are encrypted.
    """

    def __init__(self, root: Path, keys: RecordingKeys) -> None:
        self.root = root
        self._keys = keys
        self._lock = threading.Lock()
        self._written: set[str] = set()
        self._known: LruCache[tuple[str, int, int], Described] = LruCache(_MAX_KNOWN)

    def streams(self) -> list[str]:
        """Those of which there may be recordings, configured or not."""
        try:
            folders = [entry.name for entry in os.scandir(self.root) if entry.is_dir()]
        except FileNotFoundError:
            return []
        return sorted(filter(is_stream, folders))

    def ids(self, stream: str) -> list[str]:
        """The recordings of a stream, the latest first."""
        if not is_stream(stream):
            return []
        try:
            names = [entry.name for entry in os.scandir(self.root / stream) if _is_file(entry)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        stamps = {
            name.removesuffix(suffix) for name in names for suffix in _SUFFIXES if name.endswith(suffix)
        }
        return [join(stream, text) for text in sorted(filter(is_stamp, stamps), reverse=True)]

    def find(self, id: str) -> Recording:
        """Look one up.

        Raises:
            NoSuchRecording: it is not there.
        """
        path, began = self.path(id), began_at(id)
        try:
            stat = path.stat()
        except FileNotFoundError:
            raise NoSuchRecording(id) from None
        is_complete = self.is_complete(id)
        known = id, stat.st_size, stat.st_mtime_ns
        content = self._known.find(known)
        if content is None:
            content = self._describe(path)
            self._known.add(known, content)
        return Recording(id, split(id)[0], began, stat.st_size, is_complete, content)

    def is_complete(self, id: str) -> bool:
        """Whether nothing more is written into it."""
        return id not in self._written

    def path(self, id: str) -> Path:
        """Where one is.

        Raises:
            NoSuchRecording: it is not there.
        """
        stream, text = split(id)
        for suffix in _SUFFIXES:
            path = self.root / stream / (text + suffix)
            if path.is_file() and not path.is_symlink():
                return path
        raise NoSuchRecording(id)

    def open_sealed(self, path: Path) -> SealedReader | None:
        """What reads an encrypted file; None for one in the clear. The caller closes it.

        Raises:
            OSError: it cannot be read.
            RecordingDamaged: it does not open.
        """
        if not path.name.endswith(SEALED_SUFFIX):
            return None
        return SealedReader(path, self._keys.find)

    def open(self, path: Path) -> PlainReader | SealedReader:
        """What reads a file, encrypted or not, as if it were in the clear. The caller closes it.

        Raises:
            OSError: it cannot be read.
            RecordingDamaged: it does not open.
        """
        return self.open_sealed(path) or PlainReader(path)

    def prepare(self, stream: str) -> None:
        """Make the folder for a stream where there is none.

        Raises:
            OSError: it cannot be made.
        """
        self.root.mkdir(mode=0o750, parents=True, exist_ok=True)
        (self.root / stream).mkdir(mode=0o750, exist_ok=True)

    def create(self, stream: str, at: float, header: bytes, *, is_sealed: bool = False) -> RecordingFile:
        """Begin a file, after `prepare`; `complete` is to be called when it has ended.

        Args:
            stream: what of.
            at: seconds since 1970; a thousandth later where there is one of that time.
            header: see `RecordingFile`.
            is_sealed: whether it is encrypted.

        Raises:
            OSError: it cannot be written.
        """
        sealer = RecordSealer(*self._keys.current) if is_sealed else None
        suffix = SEALED_SUFFIX if is_sealed else SUFFIX
        with self._lock:
            # There may be one that is still written, or was by a server whose clock was ahead.
            text = next(filter(lambda text: self._is_free(stream, text), _stamps(at)))
            id = join(stream, text)
            self._written.add(id)
        try:
            return RecordingFile(id, self.root / stream / (text + suffix), header, sealer)
        except OSError:
            self.complete(id)
            raise

    def complete(self, id: str) -> None:
        """Nothing more is written into a file."""
        with self._lock:
            self._written.discard(id)

    def remove(self, id: str) -> None:
        """Remove one for good.

        Raises:
            NoSuchRecording: it is not there.
            BeingRecorded: it is not complete.
            OSError: it cannot be removed.
        """
        path = self.path(id)
        if id in self._written:
            raise BeingRecorded(id)
        try:
            path.unlink()
        except FileNotFoundError:
            raise NoSuchRecording(id) from None

    def remove_oldest(self) -> str | None:
        """Remove the one that was begun first of all that are complete; its id, None where there is none.

        Raises:
            OSError: it cannot be removed.
        """
        found = [id for id in self._all() if id not in self._written]
        oldest = min(found, key=lambda id: split(id)[1], default=None)
        if oldest is not None:
            self.remove(oldest)
        return oldest

    def expire(self, before: float) -> int:
        """Remove those that were written last before a time, seconds since 1970; how many."""
        removed = 0
        for id in list(self._all()):
            try:
                if id not in self._written and self.path(id).stat().st_mtime < before:
                    self.remove(id)
                    removed += 1
            except (NoSuchRecording, FileNotFoundError):
                continue  # somebody else removed it
            except OSError as error:
                _log.error("%s cannot be removed: %s", id, error.strerror)
        return removed

    def _is_free(self, stream: str, text: str) -> bool:
        is_there = any((self.root / stream / (text + suffix)).exists() for suffix in _SUFFIXES)
        return not is_there and join(stream, text) not in self._written

    def _describe(self, path: Path) -> Described:
        try:
            reader = self.open_sealed(path)
            if reader is None:
                with path.open("rb") as file:
                    return describe(file.read(_HEADER_BYTES))
            try:
                return describe(reader.read(0, _HEADER_BYTES))
            finally:
                reader.close()
        except (OSError, WireError, RecordingDamaged):
            return _NOTHING

    def _all(self) -> Iterator[str]:
        return itertools.chain.from_iterable(map(self.ids, self.streams()))


def _stamps(at: float) -> Iterator[str]:
    """A time, and those after it."""
    return (stamp(at + number / 1000) for number in itertools.count())


def _is_file(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False)
