from __future__ import annotations

import random

import pytest

from transport.rtp.alignment import TimeAxis, TrackClock
from transport.rtp.rtcp import ntp_time

HOUR_S = 1_700_000_000.0


def begun(axis: TimeAxis, rate: int, timestamp: int, now: float) -> TrackClock:
    clock = axis.clock(rate)
    clock.begin(timestamp, now)
    return clock


def test_the_first_track_begins_at_zero_and_the_next_where_it_arrives() -> None:
    axis = TimeAxis()
    video = begun(axis, 90_000, 4_000_000_000, 5.0)
    assert video.place(4_000_000_000, 5.0) == 0
    assert video.place(4_000_009_000, 5.1) == 9_000
    audio = begun(axis, 48_000, 123, 5.25)
    assert audio.place(123, 5.25) == 0.25 * 48_000


def test_timestamps_wrap_and_go_on() -> None:
    clock = begun(TimeAxis(), 90_000, 0xFFFFFFFF - 2_999, 0.0)
    placed = [clock.place(0xFFFFFFFF - 2_999 + n * 3_000 & 0xFFFFFFFF, n / 30) for n in range(4)]
    assert placed == [0, 3_000, 6_000, 9_000]


def test_pictures_may_be_shown_in_another_order() -> None:
    clock = begun(TimeAxis(), 90_000, 0, 0.0)
    assert [clock.place(ts, 0.0) for ts in (0, 9_000, 3_000, 6_000)] == [0, 9_000, 3_000, 6_000]


@pytest.mark.parametrize("timestamp", [10_000, 2_000_000_000, 90_000 * 60 + 90_000 * 20])
def test_a_clock_that_jumps_goes_on_where_it_stood(timestamp: int) -> None:
    clock = begun(TimeAxis(), 90_000, 90_000 * 60, 0.0)
    clock.place(90_000 * 60, 0.0)
    assert clock.place(timestamp, 0.5) == 45_000
    assert clock.place(timestamp + 3_000, 0.5) == 48_000


def test_a_pause_is_no_jump() -> None:
    clock = begun(TimeAxis(), 48_000, 0, 0.0)
    clock.place(0, 0.0)
    assert clock.place(48_000 * 600, 600.0) == 48_000 * 600


def test_reports_move_the_track_that_stands_too_early() -> None:
    axis = TimeAxis()
    # Captured in one moment; the picture took 80 ms longer to get here.
    audio = begun(axis, 48_000, 7_000, 1.0)
    video = begun(axis, 90_000, 99_000, 1.08)
    audio.report(ntp_time(HOUR_S), 7_000, 1.1)
    assert video.place(99_000, 1.1) == 0.08 * 90_000
    video.report(ntp_time(HOUR_S), 99_000, 1.1)
    assert audio.place(7_000 + 4_800, 1.1) / 48_000 == pytest.approx(0.18, abs=1e-4)
    assert video.place(99_000 + 9_000, 1.2) / 90_000 == pytest.approx(0.18, abs=1e-4)
    assert video.place(99_000, 1.2) == 0.08 * 90_000


def test_reports_of_another_moment_say_the_same() -> None:
    axis = TimeAxis()
    audio = begun(axis, 48_000, 0xFFFFFF00, 0.0)
    video = begun(axis, 90_000, 0xFFFFF000, 0.5)
    video.report(ntp_time(HOUR_S + 10), 0xFFFFF000 + 900_000 & 0xFFFFFFFF, 0.6)
    audio.report(ntp_time(HOUR_S + 3), 0xFFFFFF00 + 144_000 & 0xFFFFFFFF, 0.6)
    assert audio.place(0xFFFFFF00, 0.6) / 48_000 == pytest.approx(0.5, abs=1e-4)
    assert video.place(0xFFFFF000, 0.6) / 90_000 == pytest.approx(0.5, abs=1e-4)


def test_a_small_difference_is_made_up_little_by_little() -> None:
    axis = TimeAxis()
    audio = begun(axis, 48_000, 0, 0.0)
    video = begun(axis, 90_000, 0, 0.008)
    steps = []
    for second in range(40):
        before = audio.place(0, 1.0)
        audio.report(ntp_time(HOUR_S + second), 48_000 * second, second)
        video.report(ntp_time(HOUR_S + second), 90_000 * second, second)
        steps.append(audio.place(0, 1.0) - before)
    assert max(steps) == 48 and min(steps) == 0  # an eighth of 8 ms at first
    assert audio.place(0, 1.0) / 48_000 == pytest.approx(0.008, abs=0.0002)


def test_drifting_clocks_stay_together_and_never_run_back() -> None:
    axis = TimeAxis()
    audio = begun(axis, 48_000, 0, 0.0)
    video = begun(axis, 90_000, 0, 0.0)
    last = (-1.0, -1.0)
    for tenth in range(6_000):
        second = tenth / 10
        played = round(second * 48_000 * 1.0002)  # 200 ppm: 120 ms in ten minutes
        shown = round(second * 90_000)
        if tenth % 20 == 0:
            audio.report(ntp_time(HOUR_S + second), played, second)
            video.report(ntp_time(HOUR_S + second), shown, second)
        now = audio.place(played, second) / 48_000, video.place(shown, second) / 90_000
        assert now[0] > last[0] and now[1] > last[1]
        assert abs(now[0] - now[1]) < 0.005
        last = now


def test_a_sender_whose_time_is_set_moves_nothing() -> None:
    axis = TimeAxis()
    audio = begun(axis, 48_000, 0, 0.0)
    video = begun(axis, 90_000, 0, 0.0)
    for clock in (audio, video):
        clock.report(ntp_time(HOUR_S), 0, 0.0)
    for clock, rate in ((audio, 48_000), (video, 90_000)):
        clock.report(ntp_time(HOUR_S + 3.0), rate, 1.0)  # two seconds are missing
    assert (audio.place(48_000, 1.0), video.place(90_000, 1.0)) == (48_000, 90_000)


def test_reports_without_time_or_of_unrelated_clocks_count_for_nothing() -> None:
    axis = TimeAxis()
    audio = begun(axis, 48_000, 0, 0.0)
    video = begun(axis, 90_000, 0, 0.0)
    audio.report(0, 0, 0.0)
    assert audio.origin_s is None
    audio.report(ntp_time(HOUR_S), 2_000_000_000, 0.0)
    assert audio.origin_s is None
    audio.report(ntp_time(HOUR_S), 0, 0.0)
    video.report(ntp_time(HOUR_S + 3600), 0, 0.0)
    assert (audio.place(0, 0.0), video.place(0, 0.0)) == (0, 0)


def test_another_source_is_aligned_with_its_first_report() -> None:
    axis = TimeAxis()
    audio = begun(axis, 48_000, 0, 0.0)
    video = begun(axis, 90_000, 0, 0.0)
    for clock in (audio, video):
        clock.report(ntp_time(HOUR_S), 0, 0.0)
    audio.place(48_000, 1.0)
    video.begin(777, 1.1)  # captured at 1.05
    assert video.place(777, 1.1) == pytest.approx(1.1 * 90_000)
    video.report(ntp_time(HOUR_S + 1.05), 777, 1.2)
    assert audio.place(48_000, 1.2) / 48_000 == pytest.approx(1.05, abs=1e-4)


def test_any_timestamps_are_placed_near_those_before() -> None:
    rng = random.Random(5)
    clock = begun(TimeAxis(), 90_000, 0, 0.0)
    last = 0
    for n in range(5_000):
        placed = clock.place(rng.getrandbits(32), n / 100)
        assert placed > last - 90_000
        last = max(last, placed)
