from __future__ import annotations

from itertools import pairwise

import pytest

from streamer.hub.ladder import STILLS, rungs


def test_each_rung_takes_about_half_of_the_one_above() -> None:
    bitrates = rungs(1280, 720, 2_500_000)
    assert bitrates[0] == 2_500_000
    assert all(1.7 < upper / lower < 2.1 for upper, lower in pairwise(bitrates[:3]))
    assert 200_000 < bitrates[3] < 0.4 * bitrates[2]
    # Keyframes alone.
    assert (STILLS, len(bitrates)) == (4, 5)
    assert bitrates[STILLS] < 50_000


@pytest.mark.parametrize(
    ("size", "bitrate_bps", "expected"),
    [
        # More than usual: the smaller ones take what is usual for their size.
        ((1280, 720), 8_000_000, [8_000_000, 1_520_000]),
        # Less: in proportion.
        ((1280, 720), 1_400_000, [1_400_000, 760_000]),
        # A still picture will move again.
        ((1280, 720), 20_000, [933_000, 508_000]),
        # Nothing is known yet.
        ((0, 0), 0, [2_800_000, 1_520_000]),
        ((1920, 1080), 0, [5_143_000, 2_800_000]),
    ],
)
def test_bit_rates(size: tuple[int, int], bitrate_bps: float, expected: list[int]) -> None:
    assert list(rungs(*size, bitrate_bps)[:2]) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("size", "count"), [((1280, 720), 5), ((640, 360), 5), ((360, 640), 5), ((480, 270), 1), ((160, 90), 1)]
)
def test_what_is_small_is_not_made_smaller(size: tuple[int, int], count: int) -> None:
    assert len(rungs(*size, 1_000_000)) == count


def test_fewer_pictures_take_less() -> None:
    assert rungs(1280, 720, 0, fps=15)[1] < rungs(1280, 720, 0, fps=30)[1] < rungs(1280, 720, 0, fps=60)[1]
