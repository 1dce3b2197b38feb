from __future__ import annotations

import time
from dataclasses import replace

import pytest

from streamer.hub.meter import Meter
from tests.fakes.units import AAC, H264, H264_B_FRAMES, H265, picture, programme
from transport.media import Codec, Track


def measured(meter: Meter, *, seconds: int = 5, fps: int = 25, gop: int = 50) -> None:
    """Run a programme that ends now."""
    for unit in programme(seconds * fps, fps=fps, gop=gop, received_at=time.monotonic() - seconds):
        meter.count(unit)


def test_rates_over_the_last_window() -> None:
    meter = Meter()
    measured(meter)
    assert meter.fps == pytest.approx(25, rel=0.05)
    assert meter.bitrate_bps == pytest.approx((100 + 20) * 25 * 8, rel=0.05)
    assert meter.keyframe_interval_s == pytest.approx(2.0)
    assert (meter.units, meter.keyframes, meter.bytes) == (250, 3, 125 * 120)


def test_nothing_arrives_so_the_rates_are_zero() -> None:
    meter = Meter()
    for unit in programme(125, received_at=time.monotonic() - 60):
        meter.count(unit)
    assert meter.fps == 0
    assert meter.bitrate_bps == 0


def test_a_new_publisher_starts_from_nothing() -> None:
    meter = Meter()
    measured(meter)
    meter.begin()
    assert (meter.bytes, meter.units, meter.keyframes) == (0, 0, 0)
    assert (meter.fps, meter.bitrate_bps, meter.keyframe_interval_s) == (0, 0, 0)
    assert meter.since is None


def test_a_clock_that_was_set_back_gives_no_negative_interval() -> None:
    meter = Meter()
    meter.count(picture(100.0, keyframe=True))
    meter.count(picture(1.0, keyframe=True))
    assert meter.keyframe_interval_s == 0


class TestAdvice:
    def test_none_for_what_every_browser_plays(self) -> None:
        assert Meter().warnings((H264, AAC), transcoding=False) == []
        assert Meter().warnings((), transcoding=False) == []

    def test_b_frames(self) -> None:
        (text,) = Meter().warnings((H264_B_FRAMES, AAC), transcoding=False)
        assert "B-frames" in text
        assert "bframes=0" in text
        assert "when needed" in text

    @pytest.mark.parametrize(
        "track",
        [
            replace(H264, interlaced=True),
            replace(H264, profile="6e001e"),
            replace(H264, pixel_aspect=64 / 45),
        ],
    )
    def test_what_few_browsers_show(self, track: Track) -> None:
        (text,) = Meter().warnings((track, AAC), transcoding=False)
        assert "not all browsers show" in text
        assert "progressive" in text
        assert "4:2:0" in text

    def test_h265_while_somebody_needs_the_rendition(self) -> None:
        (text,) = Meter().warnings((H265,), transcoding=True)
        assert "H.265" in text
        assert "is being made" in text

    def test_what_no_browser_plays(self) -> None:
        (text,) = Meter().warnings((replace(H264, codec=Codec.MPEG2, has_b_frames=True),), transcoding=False)
        assert "MPEG-2, which browsers do not play" in text
        assert "encode H.264" in text

    def test_keyframes_far_apart(self) -> None:
        meter = Meter()
        meter.count(picture(0.0, keyframe=True))
        meter.count(picture(10.0, keyframe=True))
        assert meter.warnings((H264,), transcoding=False) == []
        meter.count(picture(30.0, keyframe=True))
        (text,) = meter.warnings((H264,), transcoding=False)
        assert "20 s apart" in text

    def test_a_keyframe_that_never_comes_again(self) -> None:
        meter = Meter()
        meter.count(picture(0.0, keyframe=True))
        meter.count(picture(10.0))
        assert meter.warnings((H264,), transcoding=False) == []
        meter.count(picture(40.0))
        (text,) = meter.warnings((H264,), transcoding=False)
        assert "40 s apart" in text
        meter.begin()
        assert meter.warnings((H264,), transcoding=False) == []

    def test_gradual_refreshes(self) -> None:
        (text,) = Meter().warnings((replace(H264, gradual=True),), transcoding=False)
        assert "intra refresh off" in text
