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


def test_some_loss_leaves_it_where_it_is() -> None:
    limit = BandwidthLimit(2_500_000)
    limit.interval(1.0, 125_000, 100, 20)
    limit.interval(1.0, 125_000, 100, 10)
    limit.interval(1.0, 125_000, 100, 2)
    assert limit.bps == 850_000


def test_a_few_packets_say_nothing_until_there_are_more() -> None:
    limit = BandwidthLimit(2_500_000)
    limit.interval(0.5, 1_000, 10, 5)
    assert limit.bps == 2_500_000
    limit.interval(0.5, 50_000, 10, 0)
    assert limit.bps == 680_000


def test_it_never_falls_below_what_a_picture_needs() -> None:
    limit = BandwidthLimit(2_500_000)
    limit.interval(1.0, 1_000, 100, 90)
    assert limit.bps == 150_000
