from __future__ import annotations

import dataclasses
import errno
import os
import threading
from pathlib import Path

import pytest

from streamer.hub.stream import Publisher
from streamer.recording import files
from streamer.sections.recording import RecordingConfig
from tests.fakes.wait import wait_until
from tests.streamer.egress.hls.material import later, pictures, sounds
from tests.streamer.recording.rig import RecordedStream, decoded, packets
from tests.transport.media.sources import picture_units, sound_units, tone
from transport.cmaf import describe
from transport.media import Codec


def test_a_publication_becomes_a_file(tmp_path: Path) -> None:
    seen, heard = pictures(5.0, gop=50, b_frames=2), sounds(5.0)
    with RecordedStream(tmp_path) as recorded:
        recorded.record(*seen, *heard)
        (path,) = recorded.files
        assert path == tmp_path / "cam" / "2026-11-27T22-00-00.123Z.mp4"
        assert decoded(path) == len(seen) == 125
        assert len(packets(path)) == 125
        distances = {pts - dts for dts, pts in packets(path)}
        assert distances == {unit.pts - unit.dts for unit in seen}
        heard_count = len(packets(path, "audio"))
        assert heard_count == len([unit for unit in heard if unit.dts >= seen[0].dts])
        assert describe(path.read_bytes()).duration_s == pytest.approx(5.0)
        state = recorder_state = recorded.recorder.state
        assert (state.id, state.since, state.problem) == ("", None, "")
        assert recorder_state.written + 5000 > path.stat().st_size > recorder_state.written


def test_what_is_written_is_told(tmp_path: Path) -> None:
    with RecordedStream(tmp_path) as recorded:
        publication = recorded.publish([*pictures(3.0), *sounds(3.0)])
        wait_until(lambda: recorded.recorder.state.written, "a fragment")
        state = recorded.recorder.state
        assert state.id == "cam@2026-11-27T22-00-00.123Z"
        assert state.since == 1_795_816_800.123
        assert 0 < state.size <= recorded.files[0].stat().st_size
        assert not recorded.library.find(state.id).is_complete
        # It plays as it is.
        assert decoded(recorded.files[0]) >= 25
        publication.close("done")
        wait_until(lambda: not recorded.recorder.state.id)
        assert recorded.library.find(state.id).is_complete


def test_another_file_begins_at_the_keyframe_after_its_time(tmp_path: Path) -> None:
    with RecordedStream(tmp_path, file_s=4.0) as recorded:
        recorded.record(*pictures(10.2, gop=50), *sounds(10.2))
        assert [decoded(path) for path in recorded.files] == [100, 100, 55]
        assert all(packets(path)[0][0] < 9000 for path in recorded.files)


def test_each_publisher_has_files_of_its_own(tmp_path: Path) -> None:
    with RecordedStream(tmp_path) as recorded:
        recorded.record(*pictures(3.0), *sounds(3.0))
        recorded.record(*pictures(2.0), *sounds(2.0))
        assert [decoded(path) for path in recorded.files] == [75, 50]


def test_one_that_takes_over_at_once_begins_a_file_too(tmp_path: Path) -> None:
    with RecordedStream(tmp_path) as recorded:
        first = recorded.publish([*pictures(3.0), *sounds(3.0)])
        wait_until(lambda: recorded.recorder.state.written)
        first.close("another one comes")
        second = recorded.publish([*pictures(2.0), *sounds(2.0)])
        wait_until(lambda: len(recorded.files) == 2, "another file")
        second.close("done")
    assert sum(map(decoded, recorded.files)) == 125


def test_other_parameter_sets_begin_a_file(tmp_path: Path) -> None:
    small, large = pictures(2.0), picture_units(Codec.H264, 50, width=640, height=480)
    with RecordedStream(tmp_path) as recorded:
        recorded.record(*small, *later(tuple(large), 2.0), *sounds(4.0))
        sizes = [describe(path.read_bytes()).tracks[0].width for path in recorded.files]
        assert sizes == [320, 640]
        assert [decoded(path) for path in recorded.files] == [50, 50]


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_what_cmaf_carries_stays_as_it_is(tmp_path: Path, codec: Codec) -> None:
    seen = picture_units(codec, 75, options={"g": "25"})
    heard = sound_units(Codec.OPUS, tone(3.0, 48_000), 48_000)
    with RecordedStream(tmp_path) as recorded:
        recorded.record(*seen, *heard)
        (path,) = recorded.files
        assert [track.codec for track in describe(path.read_bytes()).tracks] == [codec, Codec.OPUS]
        assert decoded(path) == 75
        assert not (recorded.stream.h264.active or recorded.stream.aac.active)


def test_other_codings_are_made_into_these(tmp_path: Path) -> None:
    heard = sound_units(Codec.MP2, tone(3.0, 48_000), 48_000)
    with RecordedStream(tmp_path) as recorded:
        publication = recorded.publish([*pictures(3.0), *heard])
        wait_until(lambda: recorded.stream.aac.out.tracks, "the sound to be made")
        recorded.go_on(publication, *later(pictures(3.0), 3.0), *later(tuple(heard), 3.0))
        sounded = [path for path in recorded.files if len(describe(path.read_bytes()).tracks) == 2]
        assert sounded
        for path in sounded:
            assert describe(path.read_bytes()).tracks[1].codec is Codec.AAC
            assert packets(path, "audio")


def test_a_picture_that_may_not_be_made_anew_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with RecordedStream(tmp_path, renditions="off") as recorded:
        publication = recorded.publish([*picture_units(Codec.MPEG2, 50, options={"g": "12"}), *sounds(3.0)])
        wait_until(lambda: recorded.recorder.state.problem, "the problem")
        assert "MPEG-2" in recorded.recorder.state.problem
        publication.close("done")
    assert caplog.text.count("MPEG-2 cannot be recorded") == 1
    assert [track.codec for track in describe(recorded.files[0].read_bytes()).tracks] == [Codec.AAC]


def test_sound_alone_is_recorded(tmp_path: Path) -> None:
    heard = sounds(3.0)
    with RecordedStream(tmp_path) as recorded:
        recorded.record(*heard)
        (path,) = recorded.files
        assert len(packets(path, "audio")) == len(heard)


def test_what_another_machine_publishes_is_not_recorded_here(tmp_path: Path) -> None:
    with RecordedStream(tmp_path) as recorded:
        publication = recorded.stream.publish(Publisher("edge", "edge", "192.0.2.2:1", is_edge=True))
        for unit in pictures(2.0):
            publication.write(unit)
        publication.close("done")
        # Nor is it asked for: each machine that has the configuration would fetch everything.
        assert recorded.stream.demand.idle_s > 0
        recorded.record(*later(pictures(2.0), 1.0))
        assert recorded.stream.demand.idle_s > 0
        assert len(recorded.files) == 1


def test_below_what_stays_free_nothing_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_AGAIN_AFTER_S", 0.0)
    caplog.set_level("INFO")
    config = RecordingConfig(keep_free_bytes=1000)
    seen, heard = pictures(12.0, gop=50), sounds(12.0)
    units = sorted([*seen, *heard], key=lambda unit: unit.dts_s)
    with RecordedStream(tmp_path, config) as recorded:
        publication = recorded.publish(units[: len(units) // 3])
        wait_until(lambda: recorded.recorder.state.written, "the beginning")
        recorded.free = 999
        for unit in units[len(units) // 3 : 2 * len(units) // 3]:
            publication.write(unit)
        wait_until(lambda: recorded.recorder.state.problem, "the problem")
        assert "keep_free_bytes" in recorded.recorder.state.problem
        assert recorded.recorder.state.id == ""
        recorded.free = 10**9
        for unit in units[2 * len(units) // 3 :]:
            publication.write(unit)
        wait_until(lambda: recorded.recorder.state.id and not recorded.recorder.state.problem, "more")
        publication.close("done")
    before, after = recorded.files
    assert decoded(before) % 25 == 0
    assert decoded(after) % 50 in (0, 49)
    assert caplog.text.count("not recorded: less is free") == 1
    assert "recorded again" in caplog.text


def test_a_folder_that_cannot_be_made_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_AGAIN_AFTER_S", 0.0)
    (tmp_path / "recordings").write_text("a file")
    with RecordedStream(tmp_path / "recordings") as recorded:
        publication = recorded.publish([*pictures(3.0), *sounds(3.0)])
        wait_until(lambda: recorded.recorder.state.problem, "the problem")
        assert str(tmp_path / "recordings") in recorded.recorder.state.problem
        (tmp_path / "recordings").unlink()
        for unit in sorted([*later(pictures(4.0), 3.0), *later(sounds(4.0), 3.0)], key=lambda u: u.dts_s):
            publication.write(unit)
        wait_until(lambda: recorded.recorder.state.written, "what comes later")
        assert recorded.recorder.state.problem == ""
        publication.close("done")


def test_a_slow_disk_costs_the_recording_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its queue is bounded by time; here the time goes by at once."""
    held, waits = threading.Event(), threading.Event()
    write = os.pwrite

    def slow(descriptor: int, data: bytes, at: int) -> int:
        waits.set()
        held.wait()
        return write(descriptor, data, at)

    now = [0.0]
    monkeypatch.setattr("streamer.hub.reader.Reader.__init__.__defaults__", (10.0, None, lambda: now[0]))
    monkeypatch.setattr(os, "pwrite", slow)
    with RecordedStream(tmp_path) as recorded:
        publication = recorded.publish([*pictures(3.0), *sounds(3.0)])
        assert waits.wait(20.0)
        # The publisher is not held up.
        for unit in [*later(pictures(4.0), 3.0), *later(sounds(4.0), 3.0)]:
            publication.write(unit)
            now[0] += 0.2
        held.set()
        wait_until(lambda: "too slow" in recorded.recorder.state.problem, "it to be told")
        assert recorded.recorder.state.skipped > 0
        publication.close("done")
    assert caplog.text.count("too slow") == 1
    (path,) = recorded.files
    assert 0 < decoded(path) < 175


def test_a_disk_that_fails_is_told_in_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int, data: bytes, at: int) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pwrite", broken)
    with RecordedStream(tmp_path) as recorded:
        publication = recorded.publish([*pictures(3.0), *sounds(3.0)])
        wait_until(lambda: recorded.recorder.state.problem, "the problem")
        assert recorded.recorder.state.problem == "input/output error"
        assert recorded.files == []
        publication.close("done")


def test_the_last_picture_stays(tmp_path: Path) -> None:
    seen = pictures(1.0)
    with RecordedStream(tmp_path) as recorded:
        recorded.record(*seen)
        (path,) = recorded.files
        assert len(packets(path)) == len(seen)
        assert dataclasses.asdict(describe(path.read_bytes()))["duration_s"] == pytest.approx(1.0)
