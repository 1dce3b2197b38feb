"""What the sink received, kept as FLV files: one for each connection."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import BinaryIO

from ops.sandbox.parties import Platform
from transport.rtmp import amf0, flv
from transport.rtmp.amf0 import Value
from transport.rtmp.wire import MessageType


class Recorder:
    """Names and opens the files of one sandbox.

    Args:
        folder: made when it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        folder.mkdir(parents=True, exist_ok=True)

    def begin(self, platform: Platform) -> Recording:
        """The file for a new connection. Its name says nothing of the stream key."""
        while (path := self._folder / f"{platform}-{next(self._numbers):04}.flv").exists():
            pass
        return Recording(path)


class Recording:
    """One file.

    Attributes:
        path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO = path.open("xb")
        self._file.write(flv.file_header())

    def tag(self, kind: int, timestamp_ms: int, body: bytes) -> None:
        """Add sound or picture."""
        self._file.write(flv.file_tag(kind, timestamp_ms, body))

    def metadata(self, values: dict[str, Value]) -> None:
        """Add what was said about the tracks."""
        body = amf0.serialize(("onMetaData", values))
        self._file.write(flv.file_tag(MessageType.DATA, 0, body))

    def close(self) -> None:
        """That is all of it."""
        self._file.close()
