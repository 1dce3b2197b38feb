import random

import pytest

from transport.rtp.bandwidth import BandwidthLimit


def test_it_starts_from_the_maximum_and_stays_there() -> None:
    limit = BandwidthLimit(2_500_000)
    limit.interval(1.0, 100_000, 100, 0)
    assert limit.bps == 2_500_000


def test_much_loss_lowers_it_below_what_arrived() -> None:
    limit = BandwidthLimit(2_500_000)
    limit.interval(1.0, 125_000, 100, 11)
    assert limit.bps == 850_000
    limit.interval(0.5, 125_000, 100, 50)  # more arrived, and it is not raised for that
    assert limit.bps == 850_000


def test_without_loss_it_grows_by_eight_per_cent_a_second() -> None:
    limit = BandwidthLimit(2_500_000)
    limit.interval(1.0, 125_000, 100, 20)
    limit.interval(1.0, 125_000, 100, 0)
    assert limit.bps == 918_000
    limit.interval(2.0, 125_000, 100, 1)
    assert limit.bps == pytest.approx(918_000 * 1.08**2, abs=1)
    for _ in range(20):
        limit.interval(1.0, 125_000, 100, 0)
    assert limit.bps == 2_500_000


def test_with_some_loss_it_grows_slowly() -> None:
    limit = BandwidthLimit(2_500_000)
    limit.interval(1.0, 125_000, 100, 20)
    limit.interval(1.0, 125_000, 100, 10)
    assert limit.bps == 867_000
    limit.interval(1.0, 125_000, 100, 2)
    assert limit.bps == 884_340


def test_a_few_packets_say_nothing_until_there_are_more() -> None:
    limit = BandwidthLimit(2_500_000)
    limit.interval(0.5, 12_500, 40, 20)
    limit.interval(0.5, 25_000, 40, 0)
    assert limit.bps == 2_500_000
    # 62,500 bytes in 1.25 s, and 20 of 120 packets are lost.
    limit.interval(0.25, 25_000, 40, 0)
    assert limit.bps == 340_000


def test_chance_does_not_take_it_down_where_a_twentieth_is_lost() -> None:
    rng = random.Random(1)
    limit = BandwidthLimit(2_500_000)
    lowest = limit.bps
    for _ in range(600):
        lost = sum(rng.random() < 0.05 for _ in range(75))
        limit.interval(1.0, int(0.95 * limit.bps / 8), 75, lost)
        lowest = min(lowest, limit.bps)
    assert lowest > 1_500_000


def test_it_never_falls_below_what_a_picture_needs() -> None:
    limit = BandwidthLimit(2_500_000)
    limit.interval(1.0, 1_000, 100, 90)
    assert limit.bps == 150_000
