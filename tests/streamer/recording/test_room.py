from __future__ import annotations

from pathlib import Path

import pytest

from streamer.recording.library import Library
from streamer.recording.room import Room
from streamer.sections.recording import RecordingConfig
from tests.streamer.recording.rig import KEYS
from tests.streamer.recording.test_library import AT, add

FULL = 999


class Disk:
    def __init__(self, folder: Path, **config: object) -> None:
        self.library = Library(folder, KEYS)
        self.free = 10_000
        self.now = 0.0
        settings = RecordingConfig.model_validate({"keep_free_bytes": 1000, **config})
        self.room = Room(self.library, settings, free=lambda folder: self.free, monotonic=lambda: self.now)


def test_nothing_is_removed_unless_that_is_wanted(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    id = add(disk.library, "cam", AT)
    assert disk.room.lack() == ""
    disk.free = 1000
    assert disk.room.lack() == ""
    disk.free = FULL
    assert "recording.keep_free_bytes (1000)" in disk.room.lack()
    assert disk.library.ids("cam") == [id]


def test_the_oldest_are_removed_one_after_the_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk(tmp_path, when_full="remove_oldest")
    first, second, third = (add(disk.library, "cam", AT + number) for number in range(3))
    disk.free = FULL
    assert disk.room.lack() == ""
    # The file system may tell of it a little later.
    assert disk.room.lack() == ""
    assert disk.library.ids("cam") == [third, second]
    assert first in caplog.text
    disk.now += 1.0
    assert disk.room.lack() == ""
    assert disk.library.ids("cam") == [third]
    disk.free = 10_000
    disk.now += 1.0
    assert disk.room.lack() == ""
    assert disk.library.ids("cam") == [third]


def test_where_nothing_is_left_to_remove_it_says_so(tmp_path: Path) -> None:
    disk = Disk(tmp_path, when_full="remove_oldest")
    disk.free = FULL
    assert "keep_free_bytes" in disk.room.lack()


def test_a_real_disk_is_asked(tmp_path: Path) -> None:
    room = Room(Library(tmp_path, KEYS), RecordingConfig(keep_free_bytes=0))
    assert room.lack() == ""
    assert room.free > 0
    room = Room(Library(tmp_path / "none", KEYS), RecordingConfig())
    room.look()
    assert room.free == 0
    (tmp_path / "none").mkdir()
    room.look()
    assert room.free > 0
