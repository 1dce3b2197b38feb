"""What can go wrong with a recording.

StreamerError
├── NoSuchRecording    there is none of this id
├── BeingRecorded      it is being written, and cannot be removed
└── RecordingDamaged   it is encrypted, and does not open
"""

from __future__ import annotations

from streamer.errors import StreamerError


class NoSuchRecording(StreamerError):
    """There is none of this id, or not any more."""

    def __init__(self, id: str) -> None:
        super().__init__(f"no recording has the id {id[:100]!r}")
        self.id = id


class BeingRecorded(StreamerError):
    """It is being written."""

    def __init__(self, id: str) -> None:
        super().__init__(f"{id} is being written; it can be removed once another file has begun")
        self.id = id


class RecordingDamaged(StreamerError):
    """It is encrypted, and does not open."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} cannot be opened: {why}")
        self.why = why
