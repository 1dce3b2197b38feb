import pytest

from transport.media.decodingclock import DecodingClock


@pytest.mark.parametrize(
    ("shown", "depth", "decoded"),
    [
        ([0, 3600, 7200], 0, [0, 3600, 7200]),
        ([0, 3600, 7200], None, [0, 3600, 7200]),
        ([0, 10_800, 3600, 7200, 21_600, 14_400], 2, [-7200, -3600, 0, 3600, 7200, 10_800]),
        # Unannounced reordering: noticed with the second picture of a kind, right from then on.
        (
            [0, 7200, 3600, 14_400, 10_800, 21_600, 18_000],
            None,
            [0, 7200, 7200, 7200, 10_800, 14_400, 18_000],
        ),
        # The camera's clock was set back.
        ([900_000, 903_600, 0, 3600], 0, [900_000, 903_600, 0, 3600]),
    ],
)
def test_decoding_times(shown: list[int], depth: int | None, decoded: list[int]) -> None:
    clock = DecodingClock(90_000)
    assert [clock.dts(pts, depth) for pts in shown] == decoded
