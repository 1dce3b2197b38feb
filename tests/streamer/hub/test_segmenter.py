from __future__ import annotations

import dataclasses
import io
import itertools

import av
import pytest

from streamer.hub.segmenter import Part, Segmenter
from tests.streamer.egress.hls.material import Cut, later, pictures, sounds
from tests.transport.media.sources import picture_units, sound_units, tone
from transport.cmaf import describe
from transport.media import AccessUnit, Codec


def test_segments_begin_with_keyframes_and_parts_have_their_length() -> None:
    cut = Cut().write(*pictures(6.2, gop=50), *sounds(6.2))
    assert [segment.number for segment in cut.window.complete] == [0, 1, 2]
    for segment in cut.window.complete:
        assert segment.independent
        assert segment.duration_s == pytest.approx(2.0)
        assert all(part.duration_s <= 0.5 + 1e-9 for part in segment.parts)
        # All but the last at least 85 % of the target (8216bis section 4.4.4.9).
        assert all(part.duration_s >= 0.85 * 0.5 for part in segment.parts[:-1])
        kind, _, is_keyframe = cut.packets([segment])[0]
        assert (kind, is_keyframe) == ("video", True)
    assert [segment.begins_at for segment in cut.window.complete] == pytest.approx(
        [1_700_000_001.0, 1_700_000_003.0, 1_700_000_005.0], abs=0.1
    )


def test_every_unit_is_in_one_segment() -> None:
    seen, heard = pictures(6.2, gop=50, b_frames=2), sounds(6.2)
    cut = Cut().write(*seen, *heard)
    packets = cut.packets()
    shown = [at for kind, at, _ in packets if kind == "video"]
    assert shown == [unit.dts for unit in seen[: len(shown)]]
    assert len(shown) == 150
    first = seen[0].dts
    sounded = [at for kind, at, _ in packets if kind == "audio"]
    expected = [unit.dts for unit in heard if unit.dts >= first]
    assert sounded == expected[: len(sounded)]
    assert abs(sounded[-1] - shown[-1]) < 90_000 * 0.1


def test_short_gops_are_put_together_and_long_ones_are_not_cut() -> None:
    cut = Cut().write(*pictures(5.0, gop=12), *sounds(5.0))
    # The first keyframe after two seconds, less a tenth: every fourth of 0.48 s each is at 1.92.
    assert [segment.duration_s for segment in cut.window.complete] == pytest.approx([1.92, 1.92])
    cut = Cut().write(*pictures(11.0, gop=125), *sounds(11.0))
    assert [segment.duration_s for segment in cut.window.complete] == pytest.approx([5.0, 5.0])


def test_what_comes_before_the_first_keyframe_is_left_out() -> None:
    cut = Cut().write(*pictures(6.2, gop=50)[10:], *sounds(6.2))
    assert cut.packets()[0][1] == pictures(6.2, gop=50)[50].dts


def test_a_picture_without_sound_does_not_wait_for_any() -> None:
    cut = Cut(sound=False).write(*pictures(4.2, gop=50))
    assert {kind for kind, _, _ in cut.packets()} == {"video"}
    assert len(cut.window.complete) == 2


def test_sound_that_never_comes_is_waited_for_once_and_not_promised() -> None:
    cut = Cut().write(*pictures(6.2, gop=50))
    assert [track.is_video for track in cut.segmenter.header_tracks] == [True]
    assert len(cut.window.complete) == 3
    assert len([at for kind, at, _ in cut.packets() if kind == "video"]) == 150


def test_sound_that_comes_late_is_in_from_the_next_segment_on() -> None:
    cut = Cut().write(*pictures(8.2, gop=50), *later(sounds(4.0), 3.0))
    headers = [segment.header for segment in cut.window.complete]
    assert headers == [1, 1, 2, 2]
    assert [segment.breaks for segment in cut.window.complete] == [False, False, True, False]
    assert {kind for kind, _, _ in cut.packets([cut.window.complete[2]])} == {"video", "audio"}


def test_sound_that_ends_is_not_promised_any_more() -> None:
    cut = Cut().write(*pictures(10.2, gop=50), *sounds(3.0))
    assert {kind for kind, _, _ in cut.packets([cut.window.complete[-1]])} == {"video"}
    assert cut.window.complete[-1].header == 2


def test_another_publisher_breaks_the_timeline_at_its_first_keyframe() -> None:
    cut = Cut().write(*pictures(4.2, gop=50), *sounds(4.2))
    before = len(cut.window.complete)
    cut.segmenter.break_off()
    cut.write(*later(pictures(4.2, gop=50)[5:], 10.0), *later(sounds(4.2), 10.0))
    after = list(cut.window.complete)[before + 1 :]
    assert [segment.breaks for segment in after] == [True]
    assert after[0].independent
    assert after[0].header == 1  # it is coded alike
    first = cut.packets([after[0]])[0]
    assert first == ("video", later(pictures(4.2, gop=50), 10.0)[50].dts, True)


def test_another_size_is_shown_by_players_that_keep_to_the_first_header() -> None:
    """mpv's way, which is libav's: it reads the second header too, finds that it has one, and goes on."""
    larger = picture_units(Codec.H264, 105, width=640, height=480, options={"g": "50"})
    cut = Cut().write(*pictures(4.2, gop=50), *sounds(4.2))
    cut.segmenter.break_off()
    cut.write(*later(tuple(larger), 10.0), *later(sounds(4.2), 10.0))
    assert [segment.header for segment in cut.window.complete] == [1, 1, 1, 2, 2]
    file = b""
    for number, segments in itertools.groupby(cut.window.complete, key=lambda segment: segment.header):
        header = cut.window.header(number)
        assert header is not None
        file += header + b"".join(part.data for segment in segments for part in segment.parts)
    with av.open(io.BytesIO(file), format="mp4") as container:
        sizes = [(frame.width, frame.height) for frame in container.decode(video=0)]
    assert sizes[0] == (320, 240)
    assert sizes[-100:] == [(640, 480)] * 100


def test_a_sound_coded_otherwise_waits_for_the_next_segment() -> None:
    cut = Cut().write(*pictures(8.2, gop=50), *sounds(2.5), *later(sounds(5.0, 44_100), 2.6))
    rates = [segment.header for segment in cut.window.complete]
    assert rates == [1, 1, 2, 2]
    assert cut.segmenter.header_tracks[1].sample_rate == 44_100


def test_sound_alone_is_cut_by_time() -> None:
    cut = Cut(picture=False).write(*sounds(6.5))
    assert len(cut.window.complete) == 3
    assert all(part.independent for segment in cut.window.complete for part in segment.parts)
    assert all(part.duration_s <= 0.5 for segment in cut.window.complete for part in segment.parts)
    assert [segment.duration_s for segment in cut.window.complete] == pytest.approx([2.0] * 3, abs=0.03)


def test_a_gop_without_end_is_cut_all_the_same() -> None:
    slow = [
        dataclasses.replace(unit, pts=unit.pts * 10, dts=unit.dts * 10) for unit in pictures(4.0, gop=500)
    ]
    cut = Cut(sound=False).write(*slow)
    assert [segment.independent for segment in cut.window.complete] == [True]
    assert cut.window.complete[0].duration_s == pytest.approx(30.0, abs=0.5)


def test_a_picture_that_cannot_be_described_says_so() -> None:
    nameless = [
        dataclasses.replace(unit, track=dataclasses.replace(unit.track, parameter_sets=()))
        for unit in pictures(4.0, gop=50)
    ]
    cut = Cut(sound=False).write(*nameless)
    assert "parameter set" in cut.segmenter.refusal
    assert cut.window.current is None
    cut.write(*later(pictures(4.2, gop=50), 5.0))
    assert cut.segmenter.refusal == ""
    assert len(cut.window.complete) == 2


class Shelf:
    """A segmenter's files, written to in the order of time."""

    def __init__(self, file_s: float = 4.0) -> None:
        self.files: list[bytes] = []
        self.lengths: list[float] = []
        self._headers: list[bytes] = []
        self.segmenter = Segmenter(self, part_s=1.0, segment_s=file_s, epoch_s=0.0, as_files=True)
        self.segmenter.expect(picture=True, sound=True)

    def add_header(self, data: bytes) -> int:
        self._headers.append(data)
        return len(self._headers) - 1

    def begin(self, header: int, begins_at: float, *, breaks: bool) -> None:
        self.files.append(self._headers[header])
        self.lengths.append(0.0)

    def add(self, part: Part) -> None:
        self.files[-1] += part.data
        self.lengths[-1] += part.duration_s

    def write(self, *units: AccessUnit) -> Shelf:
        for unit in sorted(units, key=lambda unit: unit.dts_s):
            self.segmenter.write(unit, unit.dts_s)
        return self

    def packets(self, number: int, kind: str) -> list[tuple[int, int]]:
        """dts and pts of all that a player finds in a file."""
        with av.open(io.BytesIO(self.files[number]), format="mp4") as container:
            return [
                (int(packet.dts or 0), int(packet.pts or 0))
                for packet in container.demux()
                if packet.size and packet.stream.type == kind
            ]


def test_files_begin_with_a_keyframe_at_time_zero_and_nothing_is_lost_between_them() -> None:
    seen = later(pictures(10.2, gop=50, b_frames=2), 1000.0)
    heard = later(sounds(10.2), 1000.0)
    shelf = Shelf().write(*seen, *heard)
    shelf.segmenter.break_off()
    counts = [len(shelf.packets(number, "video")) for number in range(3)]
    assert counts == [100, 100, 55]
    assert shelf.lengths == pytest.approx([4.0, 4.0, 2.2])
    began = 0
    for number, count in enumerate(counts):
        units = seen[began : began + count]
        assert units[0].keyframe
        found = shelf.packets(number, "video")
        zero = units[0].dts - found[0][0]
        assert 0 <= found[0][0] < 90_000 * 0.05  # sound may begin a little before
        assert found == [(unit.dts - zero, unit.pts - zero) for unit in units]
        # Sound keeps its distance.
        sounded = shelf.packets(number, "audio")
        assert {at + zero for at, _ in sounded} <= {unit.dts for unit in heard}
        began += count
    assert began == len(seen)
    total = sum(len(shelf.packets(number, "audio")) for number in range(3))
    assert total >= len([unit for unit in heard if unit.dts >= seen[0].dts])


def test_another_sound_begins_a_file_at_the_next_keyframe() -> None:
    shelf = Shelf(3600.0).write(*pictures(8.2, gop=50), *sounds(2.5), *later(sounds(5.0, 44_100), 2.6))
    rates = [describe(file).tracks[1].sample_rate for file in shelf.files]
    assert rates == [48_000, 44_100]


def test_sound_that_comes_late_begins_a_file_and_sound_that_ends_does_not() -> None:
    shelf = Shelf(3600.0).write(*pictures(12.2, gop=50), *later(sounds(3.0), 4.0))
    assert [len(describe(file).tracks) for file in shelf.files] == [1, 2]


def test_sound_that_cannot_be_described_is_left_out_and_begins_nothing() -> None:
    opus = sound_units(Codec.OPUS, tone(6.0, 48_000), 48_000)
    many = [dataclasses.replace(unit, track=dataclasses.replace(unit.track, channels=6)) for unit in opus]
    shelf = Shelf(3600.0).write(*pictures(6.2, gop=50), *many)
    assert "6 channels" in shelf.segmenter.left_out
    assert [len(describe(file).tracks) for file in shelf.files] == [1]
    shelf.write(*later(pictures(2.2, gop=50), 7.0), *later(tuple(opus[:100]), 7.0))
    assert shelf.segmenter.left_out == ""
    assert [len(describe(file).tracks) for file in shelf.files] == [1, 2]


def test_a_gop_without_end_is_one_file() -> None:
    slow = [
        dataclasses.replace(unit, pts=unit.pts * 10, dts=unit.dts * 10) for unit in pictures(4.0, gop=500)
    ]
    shelf = Shelf()
    shelf.segmenter.expect(picture=True, sound=False)
    shelf.write(*slow)
    shelf.segmenter.break_off()
    assert len(shelf.files) == 1
    assert len(shelf.packets(0, "video")) == 100


def test_what_waits_for_its_sound_is_kept_when_none_comes_any_more() -> None:
    shelf = Shelf().write(*pictures(1.0))
    assert shelf.files == []
    shelf.segmenter.break_off()
    assert len(shelf.packets(0, "video")) == 25
