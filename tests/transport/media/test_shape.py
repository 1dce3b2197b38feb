from __future__ import annotations

from fractions import Fraction

import pytest

from tests.transport.media.sources import picture, psnr
from transport.media.shape import PictureShaper, fitting_size


@pytest.mark.parametrize(
    ("size", "pixel_aspect", "expected"),
    [
        ((1280, 720), Fraction(1), (1280, 720)),
        ((1920, 1080), Fraction(1), (1920, 1080)),
        ((3840, 2160), Fraction(1), (1920, 1080)),
        ((2160, 3840), Fraction(1), (1080, 1920)),  # a telephone held upright
        ((4096, 1716), Fraction(1), (1920, 804)),
        ((1440, 1080), Fraction(4, 3), (1920, 1080)),
        ((720, 480), Fraction(8, 9), (640, 480)),
        ((641, 361), Fraction(1), (640, 360)),
        ((720, 576), Fraction(1, 9000), (720, 576)),  # absurd, hence ignored
        ((1, 1), Fraction(1), (2, 2)),
    ],
)
def test_fitting_size(size: tuple[int, int], pixel_aspect: Fraction, expected: tuple[int, int]) -> None:
    assert fitting_size(*size, pixel_aspect) == expected


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [
        ((1280, 720), Fraction(2, 3), (854, 480)),
        ((1280, 720), Fraction(3, 10), (384, 216)),
        ((3840, 2160), Fraction(2, 3), (1280, 720)),  # of what fits
        ((720, 1280), Fraction(4, 9), (320, 568)),
    ],
)
def test_smaller_sizes(size: tuple[int, int], scale: Fraction, expected: tuple[int, int]) -> None:
    assert fitting_size(*size, Fraction(1), scale) == expected
    frame = picture(0, *size)
    (shaped,) = PictureShaper(90_000, scale).shape(frame, Fraction(1))
    assert (shaped.width, shaped.height) == expected
    assert psnr(shaped, picture(0, *size).reformat(*expected)) > 26


def test_a_progressive_picture_is_not_delayed_and_keeps_its_time() -> None:
    frame = picture(0, 320, 240).reformat(format="yuv422p10le")
    frame.pts = 12_345
    (shaped,) = PictureShaper(90_000).shape(frame, Fraction(1))
    assert (shaped.format.name, shaped.pts) == ("yuv420p", 12_345)
    assert psnr(shaped, picture(0, 320, 240)) > 26
