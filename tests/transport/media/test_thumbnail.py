from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import pytest
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from tests.transport.media.sources import jpeg_units, picture, picture_units, psnr
from transport.errors import WireError
from transport.media.thumbnail import render_thumbnail
from transport.media.unit import AccessUnit, Codec, Track


def shown(jpeg: bytes) -> VideoFrame:
    assert jpeg.startswith(b"\xff\xd8")
    assert jpeg.endswith(b"\xff\xd9")
    decoder = VideoCodecContext.create("mjpeg", "r")
    assert isinstance(decoder, VideoCodecContext)
    (frame,) = decoder.decode(av.Packet(jpeg)) + decoder.decode(None)
    return frame


@pytest.mark.parametrize("fmt", ["yuv420p", "yuv420p10le", "yuvj420p"])
@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_a_keyframe_becomes_a_small_picture_of_the_same_colours(codec: Codec, fmt: str) -> None:
    unit = picture_units(codec, 5, width=640, height=480, fmt=fmt, options={"bf": "3"})[0]
    frame = shown(render_thumbnail(unit, 320))
    assert (frame.width, frame.height) == (320, 240)
    expected = picture(0, 640, 480).reformat(width=320, height=240)
    assert psnr(frame, expected) > 26


def test_mpeg2_becomes_a_small_picture() -> None:
    unit = picture_units(
        Codec.MPEG2, 5, width=720, height=576, interlaced=True, pixel_aspect=Fraction(16, 15)
    )[0]
    frame = shown(render_thumbnail(unit))
    assert (frame.width, frame.height) == (480, 360)
    assert psnr(frame, picture(0, 720, 576).reformat(width=480, height=360)) > 26


def test_mjpeg_becomes_a_small_picture() -> None:
    (unit,) = jpeg_units(1, width=640, height=480)
    frame = shown(render_thumbnail(unit, 320))
    assert (frame.width, frame.height) == (320, 240)
    assert psnr(frame, picture(0, 640, 480).reformat(width=320, height=240)) > 26


def test_the_default_width_is_480_and_small_pictures_stay_small() -> None:
    wide = picture_units(Codec.H264, 1, width=1280, height=720)[0]
    assert (shown(render_thumbnail(wide)).width, shown(render_thumbnail(wide)).height) == (480, 270)
    small = picture_units(Codec.H264, 1, width=160, height=120)[0]
    assert shown(render_thumbnail(small)).width == 160


def test_pixels_that_are_not_square_become_so() -> None:
    unit = picture_units(Codec.H264, 1, width=720, height=576, pixel_aspect=Fraction(16, 11))[0]
    frame = shown(render_thumbnail(unit))
    assert frame.width / frame.height == pytest.approx(16 / 9, rel=0.03)


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
@pytest.mark.parametrize(
    "data", [b"", b"\x00\x00\x00\x01\x65", b"\x00\x00\x00\x01\x26\x01" + bytes(range(256))]
)
def test_what_cannot_be_decoded_says_so(codec: Codec, data: bytes) -> None:
    unit = replace(picture_units(codec, 1)[0], data=data)
    with pytest.raises(WireError, match="keyframe cannot be decoded"):
        render_thumbnail(unit)


def test_only_keyframes_of_pictures_are_taken() -> None:
    units = picture_units(Codec.H264, 2)
    with pytest.raises(ValueError, match="keyframe"):
        render_thumbnail(units[1])
    sound = Track(id=1, codec=Codec.AAC, clock_rate=48_000)
    with pytest.raises(ValueError, match="aac"):
        render_thumbnail(AccessUnit(sound, 0, 0, b"\x21", keyframe=True, received_at=0.0))
