import itertools

from transport.media.programclock import ProgramClock, difference

WRAP = 1 << 33
SECOND = 90_000


def test_differences_go_the_shorter_way_round() -> None:
    assert difference(5, WRAP - 5) == 10
    assert difference(WRAP - 5, 5) == -10
    assert difference(7, 7) == 0


def test_time_goes_on_over_the_wrap() -> None:
    clock = ProgramClock()
    start = WRAP - 3 * SECOND
    placed = [clock.place((start + index * SECOND) % WRAP, float(index)) for index in range(7)]
    assert placed == [start + index * SECOND for index in range(7)]
    assert clock.jumps == 0


def test_sound_that_lags_behind_stays_beside_its_picture_over_the_wrap() -> None:
    clock = ProgramClock()
    start = WRAP - SECOND
    for index in range(100):
        video = start + index * 3000
        assert clock.place(video % WRAP, index / 30) == video
        assert clock.place((video - SECOND // 2) % WRAP, index / 30) == video - SECOND // 2


def test_a_restarted_encoder_clock_goes_on_where_the_old_one_stood() -> None:
    clock = ProgramClock()
    for index in range(10):
        last = clock.place(50 * SECOND + index * 3000, index / 30)
    after = [clock.place(index * 3000, 9 / 30 + 2.0 + index / 30) for index in range(5)]
    assert [b - a for a, b in itertools.pairwise(after)] == [3000] * 4
    assert after[0] - last == 2 * SECOND
    assert clock.jumps == 1


def test_sound_that_jumps_later_than_the_picture_is_placed_on_the_old_line_until_then() -> None:
    clock = ProgramClock()
    old, new = 1000 * SECOND, 20 * SECOND
    clock.place(old, 0.0)
    picture = clock.place(new, 0.0)
    assert clock.place(old + 1500, 0.0) == old + 1500
    assert clock.place(new + 3000, 0.0) == picture + 3000
    assert clock.place(old + 3000, 0.0) == old + 3000
    assert clock.place(new + 2900, 0.0) == picture + 2900
    assert clock.jumps == 1


def test_one_corrupt_timestamp_does_not_move_the_clock() -> None:
    clock = ProgramClock()
    clock.place(1000 * SECOND, 0.0)
    clock.place(77, 0.0)
    for index in range(1, 5000):
        assert clock.place(1000 * SECOND + index * 3000, index / 30) == 1000 * SECOND + index * 3000
    assert clock.jumps == 1


def test_a_long_silence_is_no_jump() -> None:
    clock = ProgramClock()
    clock.place(0, 0.0)
    assert clock.place(600 * SECOND, 600.0) == 600 * SECOND
    assert clock.jumps == 0


def test_a_clock_that_stands_still_on_our_side_does_not_confuse() -> None:
    clock = ProgramClock()
    clock.place(SECOND, 100.0)
    assert clock.place(2 * SECOND, 1.0) == 2 * SECOND


def test_timestamps_of_another_length_wrap_where_theirs_do() -> None:
    wrap = 90 << 32  # milliseconds of 32 bits
    clock = ProgramClock(wrap)
    start = wrap - 3 * SECOND
    placed = [clock.place((start + index * SECOND) % wrap, float(index)) for index in range(7)]
    assert placed == [start + index * SECOND for index in range(7)]
    assert clock.jumps == 0


def test_a_track_whose_last_time_is_known_does_not_fall() -> None:
    clock = ProgramClock()
    times = [100 * SECOND + index * 3000 for index in range(60)]
    set_back = [times[-1] - 2 * SECOND + index * 3000 for index in range(60)]
    placed: list[int] = []
    for index, raw in enumerate(times + set_back):
        placed.append(clock.place(raw, index / 30, placed[-1] if placed else None))
    assert {b - a for a, b in itertools.pairwise(placed)} == {3000}
    assert clock.jumps == 1


def test_of_two_lines_a_track_stays_on_its_own() -> None:
    clock = ProgramClock()
    picture = sound = None
    for index in range(30):
        picture = clock.place(100 * SECOND + index * 3000, index / 30, picture)
        sound = clock.place(100 * SECOND + index * 3000 + 10, index / 30, sound)
    assert picture is not None
    assert sound is not None
    # The picture's clock is set back by two seconds, the sound's a little later.
    after = clock.place(99 * SECOND, 1.0, picture)
    assert after - picture == 3010  # a frame after whatever was newest
    assert clock.place(101 * SECOND + 10, 1.0, sound) - sound == 3000
    assert clock.place(99 * SECOND + 3010, 1.0 + 1 / 30, sound + 3000) == after + 3010
    assert clock.jumps == 1
