from __future__ import annotations

import io
import itertools
from pathlib import Path

import av
import pytest

from streamer.recording.errors import RecordingDamaged
from streamer.recording.file import RecordingFile
from streamer.recording.keys import RecordingKeys
from streamer.recording.library import Library
from streamer.recording.sealed import RecordSealer, SealedReader
from tests.streamer.egress.hls.material import pictures, sounds
from tests.streamer.recording.rig import KEYS, RecordedStream
from tests.streamer.recording.test_library import AT, FRAGMENTS, HEADER
from transport.cmaf import describe

HEAD_BYTES = 64
FRAME_BYTES = 32
CLEAR = HEADER + b"".join(FRAGMENTS)


def whole(reader: SealedReader, piece: int = 10_000) -> bytes:
    found = b""
    while len(found) < reader.size:
        found += reader.read(len(found), piece)
    return found


def opened(path: Path, keys: RecordingKeys = KEYS) -> SealedReader:
    return SealedReader(path, keys.find)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """One with seven fragments."""
    path = tmp_path / "one.mp4.sealed"
    file = RecordingFile("cam@x", path, HEADER, RecordSealer(*KEYS.current))
    for fragment in FRAGMENTS:
        file.append(fragment, 1.0)
    file.close()
    assert path.stat().st_size == file.size
    return path


def test_it_is_read_as_it_would_be_in_the_clear(path: Path) -> None:
    reader = opened(path)
    data = whole(reader)
    assert len(data) == reader.size == len(CLEAR)
    # But for how long it is, which the header says only now.
    assert describe(data).duration_s == 7.0
    assert data[len(HEADER) :] == CLEAR[len(HEADER) :]
    with av.open(io.BytesIO(data), format="mp4") as container:
        assert sum(1 for _ in container.decode(video=0)) == 7 * 25
    assert reader.read(len(HEADER) + 5, 9) == CLEAR[len(HEADER) + 5 : len(HEADER) + 14]
    assert reader.read(reader.size - 1, 10) == CLEAR[-1:]
    assert reader.read(reader.size, 10) == b""
    reader.close()
    reader.close()


def test_nothing_of_it_is_there_to_see(path: Path) -> None:
    data = path.read_bytes()
    for known in (b"ftyp", b"moof", b"mdat", b"avc1", FRAGMENTS[0][200:232]):
        assert known not in data


def test_two_of_the_same_have_nothing_in_common(tmp_path: Path) -> None:
    files = []
    for name in ("one", "two"):
        RecordingFile("cam@x", tmp_path / name, HEADER, RecordSealer(*KEYS.current)).append(FRAGMENTS[0], 1.0)
        files.append((tmp_path / name).read_bytes())
    assert len(files[0]) == len(files[1])
    assert files[0][HEAD_BYTES + 4 : HEAD_BYTES + 400] != files[1][HEAD_BYTES + 4 : HEAD_BYTES + 400]


def test_a_large_fragment_is_in_several_records(tmp_path: Path) -> None:
    large = bytes(range(256)) * 4096
    file = RecordingFile("cam@x", tmp_path / "one", HEADER, RecordSealer(*KEYS.current))
    file.append(large, 1.0)
    reader = opened(tmp_path / "one")
    assert whole(reader, 1 << 30)[len(HEADER) :] == large
    reader.close()


@pytest.mark.parametrize("lost", [1, 20, 31, 32, 33, 1000])
def test_what_was_cut_off_in_the_middle_ends_with_a_whole_fragment(path: Path, lost: int) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-lost])
    reader = opened(path)
    assert reader.size == len(CLEAR) - len(FRAGMENTS[-1])
    assert whole(reader).endswith(FRAGMENTS[-2])
    reader.close()


def test_every_change_is_found(path: Path) -> None:
    data = bytearray(path.read_bytes())
    first = HEAD_BYTES + FRAME_BYTES + len(HEADER)
    for at in (24, 50, HEAD_BYTES + 4, HEAD_BYTES + 20, HEAD_BYTES + 200, first - 1, first + 4, first + 40):
        broken = bytearray(data)
        broken[at] ^= 1
        path.write_bytes(broken)
        reader = opened(path)
        with pytest.raises(RecordingDamaged):
            whole(reader)
        reader.close()


def test_records_cannot_be_moved(path: Path, tmp_path: Path) -> None:
    data = path.read_bytes()
    ends = [HEAD_BYTES]
    for part in (HEADER, *FRAGMENTS):
        ends.append(ends[-1] + FRAME_BYTES + len(part))
    records = [data[start:end] for start, end in itertools.pairwise(ends)]
    head = data[:HEAD_BYTES]
    for order in ([0, 2, 3], [0, 2, 1], [0, 1, 1]):
        path.write_bytes(head + b"".join(records[number] for number in order))
        reader = opened(path)
        with pytest.raises(RecordingDamaged):
            whole(reader)
        reader.close()
    other = tmp_path / "other"
    RecordingFile("cam@y", other, HEADER, RecordSealer(*KEYS.current))
    other.write_bytes(other.read_bytes() + records[1])
    reader = opened(other)
    with pytest.raises(RecordingDamaged):
        whole(reader)
    reader.close()


@pytest.mark.parametrize("data", [b"", b"strmrec1", CLEAR, bytes(200)])
def test_what_is_none_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(RecordingDamaged, match="no head"):
        opened(tmp_path / "x")


def test_a_key_that_is_not_here_is_told(path: Path) -> None:
    with pytest.raises(RecordingDamaged, match="key"):
        opened(path, RecordingKeys({"f" * 16: bytes(32)}))


def test_a_new_key_opens_nothing_and_the_old_one_stays(path: Path) -> None:
    keys = RecordingKeys({KEYS.current[0]: KEYS.current[1], "f" * 16: bytes(32)})
    assert keys.current[0] == "f" * 16
    reader = opened(path, keys)
    assert len(whole(reader)) == len(CLEAR)
    reader.close()
    assert "000" not in repr(keys)


def test_the_library_has_both_kinds(tmp_path: Path) -> None:
    library = Library(tmp_path, KEYS)
    library.prepare("cam")
    ids = []
    for is_sealed in (True, False):
        file = library.create("cam", AT + is_sealed, HEADER, is_sealed=is_sealed)
        file.append(FRAGMENTS[0], 1.0)
        file.close()
        library.complete(file.id)
        ids.append(file.id)
    assert library.ids("cam") == ids
    for id in ids:
        found = library.find(id)
        assert (found.content.duration_s, len(found.content.tracks)) == (1.0, 1)
    assert library.path(ids[0]).name.endswith(".mp4.sealed")
    # Without the key it is still shown, counted and removed.
    other = Library(tmp_path, RecordingKeys({"f" * 16: bytes(32)}))
    assert other.find(ids[0]).content.tracks == ()
    other.remove(ids[0])
    assert other.ids("cam") == ids[1:]


def test_a_stream_that_is_encrypted_everywhere_is_so_in_files(tmp_path: Path) -> None:
    floor = {"encryption": "aes-256", "passphrase": "correct horse battery"}
    seen = pictures(3.0)
    with RecordedStream(tmp_path, **floor) as recorded:
        recorded.record(*seen, *sounds(3.0))
        (path,) = recorded.files
    assert path.name.endswith(".mp4.sealed")
    reader = opened(path)
    with av.open(io.BytesIO(whole(reader)), format="mp4") as container:
        assert sum(1 for _ in container.decode(video=0)) == len(seen)
    reader.close()
