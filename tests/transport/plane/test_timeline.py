import random
from itertools import pairwise

import pytest

from transport.plane.timeline import Timeline, begin, burst_ticks

CLOCK = 90_000


def test_a_backlog_starts_at_the_newest_timestamp_and_ends_on_the_feeds_own() -> None:
    timeline = begin(start=0, newest=8 * CLOCK, backlog_units=240, clock_rate=CLOCK)
    assert timeline.map(0) == 8 * CLOCK
    assert timeline.map(9 * CLOCK) == 9 * CLOCK  # B is one second
    assert timeline.map(9 * CLOCK + 1) == 9 * CLOCK + 1
    assert timeline.squeeze == pytest.approx(1 / 9)


@pytest.mark.parametrize(("gop_s", "burst_s"), [(0.2, 0.1), (0.8, 0.1), (2.0, 0.25), (8.0, 1.0), (60.0, 1.0)])
def test_a_burst_lasts_an_eighth_of_the_gop_within_limits(gop_s: float, burst_s: float) -> None:
    assert burst_ticks(int(gop_s * CLOCK), CLOCK) == int(burst_s * CLOCK)


@pytest.mark.parametrize("units", [1, 2])
def test_one_or_two_pictures_need_no_burst(units: int) -> None:
    timeline = begin(start=0, newest=3000, backlog_units=units, clock_rate=CLOCK)
    assert [timeline.map(t) for t in (0, 3000, 6000)] == [0, 3000, 6000]
    assert timeline.squeeze == 1.0


def test_timestamps_always_rise() -> None:
    rng = random.Random(1)
    for _ in range(200):
        newest = rng.randrange(0, 30 * CLOCK)
        last = None if rng.random() < 0.5 else (rng.randrange(0, 40 * CLOCK), rng.random())
        timeline = begin(0, newest, rng.randrange(1, 100), CLOCK, last)
        mapped = [timeline.map(t) for t in range(0, newest + 30 * CLOCK, 1500)]
        assert all(a < b for a, b in pairwise(mapped))
        assert last is None or mapped[0] > last[0]


def test_a_feed_that_is_a_little_behind_catches_up() -> None:
    timeline = begin(1000, 1000, 1, CLOCK, last=(10_000, 0.03))
    assert timeline.map(1000) == 10_001
    assert timeline.map(19_002) == 19_002


def test_a_feed_on_another_clock_is_shifted_to_go_on_where_the_viewer_is() -> None:
    timeline = begin(5, 5, 1, CLOCK, last=(10**9, 0.5))
    assert timeline.map(5) == 10**9 + CLOCK // 2
    assert timeline.map(3005) == 10**9 + CLOCK // 2 + 3000
    assert timeline.shift == 10**9 + CLOCK // 2 - 5


def test_without_a_line_nothing_changes_whatever_the_order() -> None:
    timeline = Timeline(start=5000, first=5000, until=5000)
    assert timeline.map(4000) == 4000 and timeline.map(6000) == 6000
