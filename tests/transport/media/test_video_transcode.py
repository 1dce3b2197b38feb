from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from av.video.frame import VideoFrame

from tests.transport.media.sources import decoded_pictures, jpeg_units, picture, picture_units, psnr
from transport.media.unit import AccessUnit, Codec, Track
from transport.media.video_transcode import H264Options, H264Transcoder, suggested_bitrate

B_FRAMES = {"bf": "3", "b_strategy": "0"}
MPEG2 = {"bf": "2", "b": "6M"}


def run(units: list[AccessUnit], options: H264Options | None = None) -> list[AccessUnit]:
    transcoder = H264Transcoder(units[0].track, options)
    out = [picture for unit in units for picture in transcoder.transcode(unit)] + transcoder.flush()
    assert transcoder.errors == 0
    return out


@pytest.mark.parametrize("fmt", ["yuv420p", "yuv422p", "yuv420p10le", "yuvj420p"])
@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_pictures_keep_order_time_and_colour(codec: Codec, fmt: str) -> None:
    units = picture_units(codec, 30, fmt=fmt, options=B_FRAMES)
    assert any(after.pts < before.pts for before, after in pairwise(units)), "the source must be reordered"
    out = run(units)
    assert [unit.pts for unit in out] == sorted(unit.pts for unit in units)
    assert all(unit.dts == unit.pts for unit in out)
    shown = decoded_pictures(out)
    assert [frame.pts for frame in shown] == [unit.pts for unit in out]
    for index, frame in enumerate(shown):
        assert psnr(frame, picture(index, 320, 240)) > 26


def test_the_output_is_constrained_baseline_in_annex_b() -> None:
    out = run(picture_units(Codec.H264, 10, options=B_FRAMES))
    track = out[0].track
    assert (track.id, track.codec, track.clock_rate) == (3, Codec.H264, 90_000)
    assert (track.width, track.height) == (320, 240)
    assert track.profile.startswith("42")
    assert int(track.profile[2:4], 16) & 0x40, "constraint_set1: decodable by Constrained Baseline"
    assert not track.has_b_frames
    assert out[0].keyframe
    assert out[0].data.startswith(b"\x00\x00\x00\x01" + track.parameter_sets[0])
    assert not any(unit.keyframe for unit in out[1:])


@pytest.mark.parametrize(
    ("codec", "options", "delay"),
    [
        (Codec.H264, {"tune": "zerolatency"}, 0),
        (Codec.H264, {"bf": "1", "b_strategy": "0"}, 1),
        (Codec.H264, B_FRAMES, 2),  # with a pyramid of B-frames
        (Codec.H265, {}, 2),
    ],
)
def test_nothing_is_held_back_but_what_reordering_needs(
    codec: Codec, options: dict[str, str], delay: int
) -> None:
    units = picture_units(codec, 30, options=options)
    transcoder = H264Transcoder(units[0].track)
    out: list[AccessUnit] = []
    for given, unit in enumerate(units, start=1):
        out += transcoder.transcode(unit)
        assert given - len(out) <= delay
        assert all(done.received_at <= unit.received_at for done in out)


def test_keyframes_come_by_time_and_on_request() -> None:
    units = picture_units(Codec.H264, 60, rate=25)
    transcoder = H264Transcoder(units[0].track, H264Options(keyframe_interval_s=1.0))
    out: list[AccessUnit] = []
    for index, unit in enumerate(units):
        if index == 35:
            transcoder.request_keyframe()
        out += transcoder.transcode(unit)
    assert [index for index, unit in enumerate(out) if unit.keyframe] == [0, 25, 35]


def test_a_new_size_starts_a_new_encoder() -> None:
    first = picture_units(Codec.H264, 10)
    second = picture_units(Codec.H264, 10, width=480, height=360, start_s=2.0)
    out = run(first + second)
    assert [index for index, unit in enumerate(out) if unit.keyframe] == [0, 10]
    assert (out[9].track.width, out[9].track.height) == (320, 240)
    assert (out[10].track.width, out[10].track.height) == (480, 360)
    shown = decoded_pictures(out)
    assert [frame.width for frame in shown] == [320] * 10 + [480] * 10
    assert psnr(shown[-1], picture(9, 480, 360)) > 26


def test_output_begins_at_a_keyframe() -> None:
    units = picture_units(Codec.H264, 40, rate=25)
    transcoder = H264Transcoder(units[0].track)
    out = [picture for unit in units[5:] for picture in transcoder.transcode(unit)]
    assert transcoder.skipped == 20
    assert out[0].pts == units[25].pts
    assert out[0].keyframe


def test_mpeg2_of_standard_definition_is_deinterlaced_and_has_square_pixels() -> None:
    units = picture_units(
        Codec.MPEG2, 30, width=720, height=576, interlaced=True, pixel_aspect=Fraction(64, 45), options=MPEG2
    )
    track = units[-1].track
    assert (track.width, track.height, track.interlaced, track.has_b_frames) == (720, 576, True, True)
    assert track.pixel_aspect == pytest.approx(64 / 45)
    assert any(after.pts < before.pts for before, after in pairwise(units)), "the source must be reordered"
    out = run(units)
    assert (out[-1].track.width, out[-1].track.height) == (1024, 576)
    assert [unit.pts for unit in out] == sorted(unit.pts for unit in units)[:-1]
    shown = decoded_pictures(out)
    assert not any(frame.interlaced_frame for frame in shown)
    for index, frame in enumerate(shown):
        assert psnr(frame, picture(index, 720, 576).reformat(width=1024, height=576)) > 24


def test_mjpeg_keeps_its_colours_and_its_time() -> None:
    units = jpeg_units(30)
    out = run(units)
    assert [unit.pts for unit in out] == [unit.pts for unit in units]
    assert sum(unit.keyframe for unit in out) == 1
    for index, frame in enumerate(decoded_pictures(out)):
        assert psnr(frame, picture(index, 320, 240)) > 26


def test_mpeg2_begins_at_an_open_group_without_what_cannot_be_decoded() -> None:
    units = picture_units(Codec.MPEG2, 60, options=MPEG2 | {"g": "12"})
    (start, *_) = (index for index, unit in enumerate(units) if unit.keyframe and index)
    assert [unit.pts < units[start].pts for unit in units[start + 1 : start + 3]] == [True, True]
    out = run(units[start:])
    assert out[0].pts == units[start].pts
    assert psnr(decoded_pictures(out)[0], picture(round((out[0].pts_s - 1) * 25), 320, 240)) > 26


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265, Codec.MPEG2])
def test_garbage_is_survived_and_the_picture_comes_back(codec: Codec) -> None:
    units = picture_units(codec, 75, rate=25, options=B_FRAMES)
    rng = np.random.default_rng(3)
    broken = [
        replace(unit, data=b"\x00\x00\x00\x01" + rng.bytes(len(unit.data)), keyframe=False)
        if 10 <= index < 40
        else unit
        for index, unit in enumerate(units)
    ]
    transcoder = H264Transcoder(units[0].track)
    out = [picture for unit in broken for picture in transcoder.transcode(unit)] + transcoder.flush()
    if codec is Codec.H264:  # libav's H.265 decoder passes over what it cannot read without a word
        assert transcoder.errors >= 10
        assert transcoder.skipped > 0, "after a burst it waits for a keyframe"
    assert all(after.pts > before.pts for before, after in pairwise(out))
    shown = decoded_pictures(out)
    assert psnr(shown[-1], picture(74, 320, 240)) > 26


def test_a_source_without_video_timing_gets_the_rate_it_has() -> None:
    units = picture_units(Codec.H264, 80, rate=60)
    # x264 announces 25 although the pictures come 60 times a second.
    lying = picture_units(Codec.H264, 80, rate=25)
    retimed = [replace(unit, pts=other.pts, dts=other.dts) for unit, other in zip(lying, units, strict=True)]
    out = run(retimed, H264Options(keyframe_interval_s=10))
    # A new encoder, and with it a keyframe, once the rate is known to be another.
    assert [index for index, unit in enumerate(out) if unit.keyframe] == [0, 30]


def test_a_picture_shown_twice_is_dropped_and_a_clock_that_restarts_is_followed() -> None:
    units = picture_units(Codec.H264, 10, options={"tune": "zerolatency"}, start_s=100.0)
    twice = replace(units[5], pts=units[4].pts)
    again = picture_units(Codec.H264, 10, options={"tune": "zerolatency"})
    transcoder = H264Transcoder(units[0].track)
    out = [
        picture for unit in [*units[:5], twice, *units[6:], *again] for picture in transcoder.transcode(unit)
    ]
    assert transcoder.repeated == 1
    assert len(out) == 19
    assert out[9].pts == again[0].pts
    assert out[9].keyframe


@pytest.mark.parametrize(
    ("width", "height", "pixel_aspect", "expected"),
    [
        (720, 576, Fraction(16, 11), (1048, 576)),  # 16:9 on standard definition
        (2560, 1440, None, (1920, 1080)),
        (640, 360, Fraction(1), (640, 360)),
    ],
)
def test_pixels_become_square_and_pictures_at_most_1080_lines(
    width: int, height: int, pixel_aspect: Fraction | None, expected: tuple[int, int]
) -> None:
    units = picture_units(Codec.H264, 3, width=width, height=height, pixel_aspect=pixel_aspect)
    assert bool(units[0].track.hindrance) == (units[0].track.pixel_aspect != 1)
    out = run(units)
    assert (out[-1].track.width, out[-1].track.height) == expected
    assert len(decoded_pictures(out)) == 3


def test_interlaced_pictures_are_deinterlaced_on_their_time() -> None:
    units = picture_units(Codec.H264, 12, width=720, height=576, interlaced=True)
    assert {unit.track.interlaced for unit in units} == {True}
    assert units[0].track.hindrance == "interlaced lines"
    out = run(units)
    shown = decoded_pictures(out)
    assert not any(frame.interlaced_frame for frame in shown)
    # The filter needs the picture after, so the last one stays inside.
    assert [unit.pts for unit in out] == sorted(unit.pts for unit in units)[:-1]


def test_the_bit_rate_stays_below_the_maximum() -> None:
    rng = np.random.default_rng(4)

    def noise(index: int, width: int, height: int) -> VideoFrame:
        return VideoFrame.from_ndarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8))

    units = picture_units(Codec.H264, 75, rate=25, draw=noise)
    out = run(units, H264Options(max_bitrate=400_000))
    assert sum(len(unit.data) for unit in units) * 8 > 20 * 400_000 * 3
    # Half a second of it may be in flight.
    assert sum(len(unit.data) for unit in out) * 8 < 400_000 * 3.5


def test_smaller_pictures_are_the_same_pictures() -> None:
    units = picture_units(Codec.H264, 30, options=B_FRAMES)
    out = run(units, H264Options(scale=Fraction(2, 3)))
    assert [unit.pts for unit in out] == sorted(unit.pts for unit in units)
    assert (out[0].track.width, out[0].track.height) == (214, 160)
    for index, frame in enumerate(decoded_pictures(out)):
        assert psnr(frame, picture(index, 320, 240).reformat(214, 160)) > 26


def test_suggested_bitrates_are_what_live_pictures_need() -> None:
    assert suggested_bitrate(1280, 720, 30) == pytest.approx(2_800_000)
    assert 4_500_000 < suggested_bitrate(1920, 1080, 30) < 5_500_000
    assert suggested_bitrate(160, 120, 5) == 300_000


def test_a_sound_track_is_refused() -> None:
    with pytest.raises(ValueError, match="aac"):
        H264Transcoder(Track(id=1, codec=Codec.AAC, clock_rate=48_000))
