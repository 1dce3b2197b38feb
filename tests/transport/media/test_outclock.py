from __future__ import annotations

from dataclasses import replace

from tests.fakes.media import AUDIO, VIDEO
from transport.media import AccessUnit
from transport.media.outclock import OutputClock


def picture(at_s: float, *, key: bool = False, delay_s: float = 0.0, arrives_s: float = -1.0) -> AccessUnit:
    dts = round(at_s * 90_000)
    pts = dts + round(delay_s * 90_000)
    return AccessUnit(VIDEO, pts, dts, b"x", key, at_s if arrives_s < 0 else arrives_s)


def sound(at_s: float, *, arrives_s: float = -1.0) -> AccessUnit:
    time = round(at_s * 48_000)
    return AccessUnit(AUDIO, time, time, b"x", True, at_s if arrives_s < 0 else arrives_s)


def seconds(placed: tuple[int, int] | None) -> tuple[float, float] | None:
    return None if placed is None else (round(placed[0] / 90_000, 4), round(placed[1] / 90_000, 4))


def test_output_begins_at_a_keyframe_where_it_is_told() -> None:
    clock = OutputClock(5000)
    assert clock.is_waiting
    assert clock.place(picture(100)) is None
    assert clock.place(sound(100)) is None
    assert clock.place(picture(100.04, key=True, delay_s=0.08)) is not None
    assert not clock.is_waiting
    assert clock.position == 5 * 90_000
    assert seconds(clock.place(picture(100.08, delay_s=0.16))) == (5.04, 5.2)
    assert seconds(clock.place(sound(100.06))) == (5.02, 5.02)
    assert clock.place(sound(100.02)) is None


def test_sound_alone_begins_at_any_unit() -> None:
    clock = OutputClock(expects_video=False)
    assert seconds(clock.place(sound(7))) == (0, 0)
    assert seconds(clock.place(sound(7.02))) == (0.02, 0.02)


def test_a_picture_that_comes_after_the_sound_begins_at_its_keyframe() -> None:
    clock = OutputClock(expects_video=False)
    clock.place(sound(7))
    assert clock.place(picture(7.03)) is None
    assert seconds(clock.place(picture(6.99, key=True))) == (0, 0)
    assert seconds(clock.place(picture(7.03))) == (0.03, 0.03)
    assert seconds(clock.place(sound(7.02))) == (0.02, 0.02)


def test_decoding_times_never_go_back() -> None:
    clock = OutputClock()
    clock.place(picture(1, key=True))
    clock.place(picture(1.08))
    assert seconds(clock.place(picture(1.04))) == (0.08, 0.08)
    clock.place(sound(1.1))
    assert clock.place(sound(1.05)) is None


def test_another_source_goes_on_at_its_keyframe_after_the_time_that_passed() -> None:
    clock = OutputClock()
    clock.place(picture(10, key=True))
    clock.place(picture(10.04))
    clock.place(sound(10.05))
    clock.splice()
    assert clock.place(picture(500, arrives_s=12)) is None
    assert clock.place(sound(500, arrives_s=12)) is None
    assert seconds(clock.place(picture(500.04, key=True, arrives_s=12.04))) == (2.04, 2.04)
    assert seconds(clock.place(sound(500.06, arrives_s=12.06))) == (2.06, 2.06)
    # And back, at once: at least one picture's time apart.
    clock.splice()
    assert seconds(clock.place(picture(13, key=True, arrives_s=12.04))) == (2.08, 2.08)


def test_a_source_without_reordering_is_shown_after_one_with_it() -> None:
    clock = OutputClock()
    clock.place(picture(1, key=True, delay_s=0.08))
    clock.place(picture(1.04, delay_s=0.2))
    clock.splice()
    placed = clock.place(picture(9, key=True, arrives_s=1.08))
    assert placed is not None
    assert placed[1] > round(0.24 * 90_000)


def test_a_gap_that_really_passed_stays() -> None:
    clock = OutputClock()
    clock.place(picture(1, key=True))
    assert seconds(clock.place(picture(31))) == (30, 30)
    assert clock.jumps == 0


def test_a_jump_of_the_sources_clock_is_taken_out() -> None:
    for jump_s in (-500.0, 500.0):
        clock = OutputClock()
        clock.place(picture(1000, key=True, arrives_s=1))
        assert clock.place(picture(1000 + jump_s, arrives_s=1.04)) is None
        placed = clock.place(picture(1000.04 + jump_s, key=True, arrives_s=1.08))
        assert seconds(placed) == (0.08, 0.08)
        assert clock.jumps == 1


def test_a_burst_after_a_stall_is_no_jump() -> None:
    clock = OutputClock()
    clock.place(picture(1, key=True))
    assert seconds(clock.place(picture(1.04, arrives_s=11))) == (0.04, 0.04)
    assert seconds(clock.place(picture(1.08, arrives_s=11))) == (0.08, 0.08)
    assert clock.jumps == 0


def test_other_clock_rates_are_converted() -> None:
    clock = OutputClock()
    unit = replace(picture(1, key=True), track=replace(VIDEO, clock_rate=1000), pts=1000, dts=1000)
    clock.place(unit)
    assert clock.place(replace(unit, pts=1040, dts=1040, received_at=1.04)) == (3600, 3600)
