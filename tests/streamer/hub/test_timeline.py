from __future__ import annotations

import dataclasses
import itertools

import pytest

from streamer.hub.timeline import Timeline
from tests.fakes.units import AAC, H264, OPUS, picture, sound
from transport.media import AccessUnit

EPOCH = 1000.0
FRAME_S = 0.04


def placed(timeline: Timeline, unit: AccessUnit, arrival_s: float) -> AccessUnit:
    """Place a unit that arrives so many seconds after the epoch."""
    return timeline.place(dataclasses.replace(unit, received_at=EPOCH + arrival_s))


def run(
    timeline: Timeline, first_dts_s: float, arrival_s: float, count: int, step_s: float = FRAME_S
) -> list[float]:
    """Pictures in real time; where they were placed."""
    return [
        placed(timeline, picture(first_dts_s + n * step_s), arrival_s + n * step_s).dts_s
        for n in range(count)
    ]


def gaps(seconds: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(seconds)]


@pytest.fixture
def timeline() -> Timeline:
    return Timeline(EPOCH)


class TestOnePublisher:
    @pytest.mark.parametrize("start_s", [0.0, 1234.5, 95_443.0, -50.0])
    def test_the_first_unit_is_placed_at_its_arrival(self, timeline: Timeline, start_s: float) -> None:
        assert run(timeline, start_s, 2.0, 1) == [pytest.approx(2.0, abs=1e-4)]

    def test_the_pace_is_the_publishers(self, timeline: Timeline) -> None:
        assert gaps(run(timeline, 77.0, 0.0, 100)) == pytest.approx([FRAME_S] * 99, abs=1e-4)

    def test_a_burst_keeps_its_distances(self, timeline: Timeline) -> None:
        # A GOP that waited in the encoder: everything at once.
        seconds = [placed(timeline, picture(n * FRAME_S), 3.0).dts_s for n in range(50)]
        assert gaps(seconds) == pytest.approx([FRAME_S] * 49, abs=1e-4)
        assert timeline.jumps == 0

    def test_the_distance_of_sound_and_picture_never_changes(self, timeline: Timeline) -> None:
        for n in range(50):
            at_s = n * FRAME_S
            seen = placed(timeline, picture(10 + at_s), at_s)
            heard = placed(timeline, sound(10 + at_s - 0.2, track=OPUS), at_s)
            if n:  # the first sound would be before the epoch of nothing
                assert seen.dts_s - heard.dts_s == pytest.approx(0.2, abs=1e-4)

    def test_presentation_moves_with_decoding(self, timeline: Timeline) -> None:
        unit = dataclasses.replace(picture(100.0), pts=picture(100.0).pts + 7200)
        moved = placed(timeline, unit, 1.0)
        assert moved.pts - moved.dts == 7200

    def test_the_data_is_not_copied(self, timeline: Timeline) -> None:
        unit = picture(1.0)
        assert placed(timeline, unit, 0.0).data is unit.data

    def test_a_drifting_encoder_is_followed(self, timeline: Timeline) -> None:
        # 50 ppm fast is 9 s in 50 hours; here 1 % fast, 20 s over half an hour of pictures.
        seconds = [placed(timeline, picture(n * 0.0404), n * FRAME_S).dts_s for n in range(45_000)]
        assert timeline.jumps == 0
        assert gaps(seconds) == pytest.approx([0.0404] * 44_999, abs=1e-4)


class TestJumps:
    @pytest.mark.parametrize("to_s", [5000.0, 0.0, 107.0], ids=["ahead", "back", "by 6 s"])
    def test_one_is_closed(self, timeline: Timeline, to_s: float) -> None:
        before = run(timeline, 100.0, 0.0, 25)
        after = run(timeline, to_s, 1.0, 25)
        assert timeline.jumps == 1
        assert all(0 < gap < 0.1 for gap in gaps(before + after))

    def test_a_wrap_at_33_bits(self, timeline: Timeline) -> None:
        wrap_s = 2**33 / 90_000
        seconds = run(timeline, wrap_s - 1.0, 0.0, 25) + run(timeline, 0.0, 1.0, 25)
        assert all(0 < gap < 0.1 for gap in gaps(seconds))

    def test_a_small_step_is_kept(self, timeline: Timeline) -> None:
        # Lost pictures, not another clock.
        seconds = run(timeline, 100.0, 0.0, 25) + run(timeline, 103.0, 1.0, 1)
        assert gaps(seconds)[-1] == pytest.approx(2.04, abs=1e-3)
        assert timeline.jumps == 0

    def test_tracks_that_cross_it_one_after_the_other(self, timeline: Timeline) -> None:
        # The demuxer hands out sound of before the jump among pictures of after it.
        run(timeline, 100.0, 0.0, 25)
        heard = [placed(timeline, sound(100.9), 0.9).dts_s]
        run(timeline, 7000.0, 1.0, 3)
        heard.append(placed(timeline, sound(100.98), 1.0).dts_s)
        run(timeline, 7000.12, 1.12, 3)
        heard.append(placed(timeline, sound(7000.1), 1.1).dts_s)
        assert timeline.jumps == 1
        assert all(gap > 0 for gap in gaps(heard))

    def test_a_second_one_is_closed_too(self, timeline: Timeline) -> None:
        seconds = run(timeline, 100.0, 0.0, 10) + run(timeline, 9000.0, 0.4, 10) + run(timeline, 5.0, 0.8, 10)
        assert timeline.jumps == 2
        assert all(0 < gap < 0.1 for gap in gaps(seconds))

    def test_a_stall_that_is_caught_up_never_runs_backwards(self, timeline: Timeline) -> None:
        seconds = run(timeline, 0.0, 0.0, 25)
        # Ten seconds of silence, then everything that waited at once, then real time again.
        seconds += [placed(timeline, picture(1.0 + n * FRAME_S), 11.0).dts_s for n in range(250)]
        seconds += run(timeline, 11.0, 11.0, 25)
        assert all(gap > 0 for gap in gaps(seconds))


class TestSetBack:
    """A clock that is set back by less than what a burst may be late."""

    @pytest.mark.parametrize("by_s", [0.6, 2.0, 4.9])
    def test_time_goes_on(self, timeline: Timeline, by_s: float) -> None:
        seconds = run(timeline, 100.0, 0.0, 25) + run(timeline, 101.0 - by_s, 1.0, 200)
        assert timeline.jumps == 1
        assert all(0 < gap < 0.1 for gap in gaps(seconds))

    def test_sound_that_is_set_back_later_than_the_picture_stays_beside_it(self, timeline: Timeline) -> None:
        seen, heard = [], []
        for n in range(400):
            at_s = n * FRAME_S / 2
            back_s = {True: 3.0 if at_s >= 4.0 else 0.0, False: 3.0 if at_s >= 4.3 else 0.0}
            if n % 2 == 0:
                seen.append(placed(timeline, picture(100 + at_s - back_s[True]), at_s).dts_s)
            heard.append(placed(timeline, sound(100 + at_s - back_s[False], track=OPUS), at_s).dts_s)
        assert timeline.jumps == 1
        assert all(0 < gap < 0.1 for gap in gaps(seen))
        assert all(gap >= 0 for gap in gaps(heard))
        assert heard[-1] - seen[-1] == pytest.approx(FRAME_S / 2 - FRAME_S / 2, abs=0.1)

    def test_one_corrupt_timestamp_does_not_move_the_clock(self, timeline: Timeline) -> None:
        run(timeline, 100.0, 0.0, 25)
        placed(timeline, picture(98.0), 1.0)
        seconds = run(timeline, 101.04, 1.04, 500)
        assert seconds[-1] == pytest.approx(1.04 + 499 * FRAME_S, abs=0.01)
        assert all(0 <= gap < 0.1 for gap in gaps(seconds))

    def test_a_stall_after_it_is_not_taken_for_the_time_before(self, timeline: Timeline) -> None:
        run(timeline, 100.0, 0.0, 25)
        run(timeline, 98.0, 1.0, 25)
        # Three seconds without anything, lost for good.
        (after,) = run(timeline, 102.0, 5.0, 1)
        assert after == pytest.approx(5.0, abs=0.1)


class TestBackwards:
    def test_decoding_time_of_a_track_is_held(self, timeline: Timeline) -> None:
        run(timeline, 10.0, 0.0, 25)
        last = placed(timeline, picture(10.96), 0.96)
        late = placed(timeline, picture(10.5), 1.0)
        assert late.dts == last.dts
        assert late.pts >= late.dts

    def test_the_other_track_is_not_held(self, timeline: Timeline) -> None:
        run(timeline, 10.0, 0.0, 25)
        heard = placed(timeline, sound(10.5), 1.0)
        assert heard.dts_s == pytest.approx(0.5, abs=1e-3)


class TestReturn:
    @pytest.mark.parametrize("start_s", [100.0, 0.0, 9_999.0])
    def test_a_new_publisher_goes_on_at_its_arrival(self, timeline: Timeline, start_s: float) -> None:
        run(timeline, 100.0, 0.0, 25)
        timeline.begin()
        (back,) = run(timeline, start_s, 9.0, 1)
        assert back == pytest.approx(9.0, abs=1e-3)
        assert timeline.jumps == 0

    def test_one_that_is_back_at_once_never_overlaps_the_former(self, timeline: Timeline) -> None:
        # The former ran ahead of the clock: its buffer came in a burst.
        for n in range(100):
            last = placed(timeline, picture(n * FRAME_S), 0.0).dts_s
        timeline.begin()
        after = run(timeline, 55.0, 0.5, 10)
        assert after[0] == pytest.approx(last + FRAME_S, abs=1e-3)
        assert gaps(after) == pytest.approx([FRAME_S] * 9, abs=1e-4)

    def test_another_clock_rate_of_the_same_track(self, timeline: Timeline) -> None:
        placed(timeline, sound(1.0, track=AAC), 0.0)
        timeline.begin()
        heard = placed(timeline, sound(1.0, track=OPUS), 1.0)
        assert heard.dts_s == pytest.approx(1.0, abs=1e-3)
        assert heard.track is OPUS
        assert placed(timeline, picture(1.0, track=H264), 1.0).dts_s == pytest.approx(1.0, abs=1e-3)
