"""What recordings are called: `cam@2026-11-27T22-00-00.123Z`, in `cam/2026-11-27T22-00-00.123Z.mp4`.

The time is UTC, when the file was begun. An id holds nothing that means anything in a path, so that none
leads anywhere but into its stream's folder.
"""

from __future__ import annotations

import datetime
import re

from streamer.recording.errors import NoSuchRecording

SUFFIX = ".mp4"
#: Of one that is encrypted.
SEALED_SUFFIX = ".mp4.sealed"
_FORMAT = "%Y-%m-%dT%H-%M-%S.%f"
_ID = re.compile(
    r"(?P<stream>[A-Za-z0-9][A-Za-z0-9._-]{0,63})@(?P<stamp>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z)", re.ASCII
)


def stamp(at: float) -> str:
    """A time as file names have it.

    Args:
        at: seconds since 1970.
    """
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime(_FORMAT)[:-3] + "Z"


def began_at(id: str) -> float:
    """When a recording was begun, seconds since 1970.

    Raises:
        NoSuchRecording: there cannot be one.
    """
    text = split(id)[1]
    try:
        moment = datetime.datetime.strptime(text.removesuffix("Z"), _FORMAT)
    except ValueError:
        raise NoSuchRecording(id) from None
    return moment.replace(tzinfo=datetime.UTC).timestamp()


def join(stream: str, stamp: str) -> str:
    """The id of a recording."""
    return f"{stream}@{stamp}"


def split(id: str) -> tuple[str, str]:
    """Stream and stamp of an id.

    Raises:
        NoSuchRecording: there cannot be one.
    """
    found = _ID.fullmatch(id)
    if found is None:
        raise NoSuchRecording(id)
    return found["stream"], found["stamp"]


def is_stream(text: str) -> bool:
    """Whether a stream can be called so."""
    return _ID.fullmatch(join(text, stamp(0.0))) is not None


def is_stamp(text: str) -> bool:
    """Whether a file without its suffix is called like a recording."""
    return _ID.fullmatch(join("a", text)) is not None
