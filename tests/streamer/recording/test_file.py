from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from streamer.recording.file import RecordingFile
from tests.streamer.recording.rig import decoded
from tests.streamer.recording.test_library import FRAGMENT, FRAGMENTS, HEADER
from transport.cmaf import describe


def test_it_says_how_long_it_is_at_any_time(tmp_path: Path) -> None:
    path = tmp_path / "one.mp4"
    file = RecordingFile("cam@x", path, HEADER)
    for number, fragment in enumerate(FRAGMENTS, 1):
        file.append(fragment, 1.0)
        assert describe(path.read_bytes()).duration_s == number == file.duration_s
    # As a server leaves it that dies here.
    assert path.stat().st_size == file.size == len(HEADER) + sum(map(len, FRAGMENTS))
    assert decoded(path) == 7 * 25
    file.close()
    file.close()
    assert path.stat().st_mode & 0o007 == 0


def test_one_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "one.mp4"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        RecordingFile("cam@x", path, HEADER)
    assert path.read_text() == "mine"


def test_a_disk_that_fills_up_in_the_middle_leaves_what_plays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.mp4"
    file = RecordingFile("cam@x", path, HEADER)
    file.append(FRAGMENT, 1.0)
    write = os.pwrite
    room = [len(FRAGMENT) // 2]

    def short(descriptor: int, data: bytes, at: int) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(descriptor, bytes(data)[: room[0]], at)
        room[0] -= written
        return written

    monkeypatch.setattr(os, "pwrite", short)
    with pytest.raises(OSError, match="No space left"):
        file.append(FRAGMENT, 1.0)
    monkeypatch.undo()
    file.close()
    assert path.stat().st_size == len(HEADER) + len(FRAGMENT)
    assert (describe(path.read_bytes()).duration_s, decoded(path)) == (1.0, 25)


def test_a_disk_that_is_full_at_once_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes, at: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        RecordingFile("cam@x", tmp_path / "one.mp4", HEADER)
    assert list(tmp_path.iterdir()) == []
