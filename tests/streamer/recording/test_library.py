from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamer.recording.errors import BeingRecorded, NoSuchRecording
from streamer.recording.library import Library
from tests.streamer.recording.rig import KEYS
from tests.transport.media.sources import picture_units
from transport.cmaf import Run, Sample, fragment, header
from transport.media import Codec

UNITS = picture_units(Codec.H264, 25)
HEADER = header([UNITS[0].track], has_length=True)
FRAGMENTS = [
    fragment(1 + second, [Run(0, [Sample(unit, 3600) for unit in UNITS], UNITS[0].dts - second * 90_000)])
    for second in range(7)
]
FRAGMENT = FRAGMENTS[0]
AT = 1_795_816_800.123


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "recordings", KEYS)


def add(library: Library, stream: str, at: float, *, is_sealed: bool = False) -> str:
    """One that is complete."""
    library.prepare(stream)
    file = library.create(stream, at, HEADER, is_sealed=is_sealed)
    file.append(FRAGMENT, 1.0)
    file.close()
    library.complete(file.id)
    return file.id


def test_there_is_nothing_at_first_and_nothing_is_made(library: Library) -> None:
    assert library.streams() == []
    assert library.ids("cam") == []
    assert library.remove_oldest() is None
    assert library.expire(AT) == 0
    assert not library.root.exists()


def test_what_is_written_can_be_looked_at_meanwhile(library: Library) -> None:
    library.prepare("cam")
    file = library.create("cam", AT, HEADER)
    file.append(FRAGMENT, 1.0)
    found = library.find(file.id)
    assert (found.id, found.stream) == ("cam@2026-11-27T22-00-00.123Z", "cam")
    assert found.began_at == pytest.approx(AT)
    assert (found.is_complete, found.content.duration_s) == (False, 1.0)
    assert found.size == len(HEADER + FRAGMENT) == file.size
    with pytest.raises(BeingRecorded):
        library.remove(file.id)
    file.append(FRAGMENT, 1.5)
    file.close()
    library.complete(file.id)
    found = library.find(file.id)
    assert (found.is_complete, found.content.duration_s) == (True, 2.5)
    assert [track.codec for track in found.content.tracks] == [Codec.H264]
    library.remove(file.id)
    with pytest.raises(NoSuchRecording):
        library.find(file.id)
    with pytest.raises(NoSuchRecording):
        library.remove(file.id)


def test_two_of_one_time_have_two_names(library: Library) -> None:
    ids = [add(library, "cam", AT) for _ in range(3)]
    assert ids == [f"cam@2026-11-27T22-00-00.12{digit}Z" for digit in (3, 4, 5)]
    assert library.ids("cam") == ids[::-1]
    assert all(library.find(id).is_complete for id in ids)
    sealed = add(library, "cam", AT, is_sealed=True)
    assert sealed == "cam@2026-11-27T22-00-00.126Z"
    for id in (*ids, sealed):
        library.remove(id)
    assert library.ids("cam") == []


def test_one_without_anything_in_it_does_not_stay(library: Library) -> None:
    library.prepare("cam")
    file = library.create("cam", AT, HEADER)
    file.close()
    assert library.ids("cam") == []


def test_only_recordings_are_shown(library: Library) -> None:
    id = add(library, "cam", AT)
    folder = library.root / "cam"
    (folder / "notes.txt").write_text("mine")
    (folder / "2026-11-27T22-00-00.124Z").write_text("without its suffix")
    (folder / "2026-11-27T22-00-00.125Z.mp4").mkdir()
    (folder / "2026-11-27T22-00-00.126Z.mp4").symlink_to("/etc/passwd")
    assert library.ids("cam") == [id]
    for stamp in ("125", "126"):
        with pytest.raises(NoSuchRecording):
            library.path(f"cam@2026-11-27T22-00-00.{stamp}Z")
    (folder / "2026-11-27T22-00-00.127Z.mp4").write_text("no film")
    found = library.find("cam@2026-11-27T22-00-00.127Z")
    assert (found.content.duration_s, found.content.tracks) == (0.0, ())


def test_folders_that_are_no_streams_are_let_be(library: Library, tmp_path: Path) -> None:
    """As a disk of its own has `lost+found`, which nobody may read."""
    id = add(library, "cam", AT)
    elsewhere = library.path(id)
    for name in ("lost+found", ".Trash"):
        (library.root / name).mkdir()
        (library.root / name / elsewhere.name).write_bytes(b"")
    assert library.streams() == ["cam"]
    for name in ("lost+found", "..", "../recordings/cam", str(library.root / "cam"), ""):
        assert library.ids(name) == []
    assert library.remove_oldest() == id
    assert library.remove_oldest() is None
    assert library.expire(AT * 2) == 0


def test_what_was_written_long_ago_goes(library: Library) -> None:
    old, recent, other = add(library, "cam", AT), add(library, "cam", AT + 9), add(library, "door", AT)
    library.prepare("cam")
    written = library.create("cam", AT - 9, HEADER)
    written.append(FRAGMENT, 1.0)
    for id in (old, other, written.id):
        os.utime(library.path(id), (AT, AT))
    os.utime(library.path(recent), (AT + 100, AT + 100))
    assert library.expire(AT + 50) == 2
    assert library.ids("cam") == [recent, written.id]
    assert library.ids("door") == []
    written.close()


def test_the_oldest_of_all_goes_first_and_not_what_is_written(library: Library) -> None:
    second, first = add(library, "cam", AT + 5), add(library, "door", AT)
    library.prepare("cam")
    library.create("cam", AT - 5, HEADER).append(FRAGMENT, 1.0)
    assert [library.remove_oldest() for _ in range(3)] == [first, second, None]
    assert len(library.ids("cam")) == 1
