"""Streams in files: fragmented MP4, written while they are published, kept for a set time.

`recordings.py` knows which streams are recorded, `recorder.py` is the thread that does it for one of them,
into what `files.py` begins and ends; `library.py` finds what is there, and `room.py` keeps some of the disk.
"""

from streamer.recording.errors import BeingRecorded, NoSuchRecording
from streamer.recording.library import Library, Recording
from streamer.recording.recorder import RecorderState
from streamer.recording.recordings import Recordings

__all__ = ["BeingRecorded", "Library", "NoSuchRecording", "RecorderState", "Recording", "Recordings"]
