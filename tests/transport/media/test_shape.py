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


def test_a_progressive_picture_is_not_delayed_and_keeps_its_time() -> None:
    frame = picture(0, 320, 240).reformat(format="yuv422p10le")
    frame.pts = 12_345
    (shaped,) = PictureShaper(90_000).shape(frame, Fraction(1))
    assert (shaped.format.name, shaped.pts) == ("yuv420p", 12_345)
    assert psnr(shaped, picture(0, 320, 240)) > 26
