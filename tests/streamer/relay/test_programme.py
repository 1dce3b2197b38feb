from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from streamer.relay.programme import Programme
from tests.fakes.units import AAC, H264, picture, sound
from transport.media import AccessUnit
from transport.media.still import Still

FPS = 25
STILL = Still(replace(H264, id=-1), tuple(b"%d" % number for number in range(2 * FPS)), 1 / FPS)


class Output:
    """Drives a programme with a clock of its own and keeps what comes out."""

    def __init__(self, *, has_picture: bool = True, has_sound: bool = True, wants_sound: bool = True) -> None:
        self.now = 1000.0
        self.programme = Programme(
            self.now, has_picture=has_picture, has_sound=has_sound, wants_sound=wants_sound
        )
        self.programme.still = STILL
        self.units: list[AccessUnit] = []

    def write(self, *units: AccessUnit, age_s: float = 0.0) -> None:
        for unit in units:
            arrived = replace(unit, received_at=self.now - age_s)
            self.units += self.programme.write(arrived, self.now)

    def live(self, start_s: float, seconds: float, *, audio: bool = True, gop: int = 25) -> None:
        """A publisher, from `start_s` of the stream's clock."""
        for number in range(round(seconds * FPS)):
            at_s = start_s + number / FPS
            self.write(picture(at_s, keyframe=number % gop == 0))
            if audio:
                self.write(sound(at_s))
            self.idle(1 / FPS)

    def idle(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until - 1e-9:
            self.now = min(until, self.now + 0.04)
            self.units += self.programme.fill(self.now)

    def times(self, *, video: bool) -> list[float]:
        return [unit.dts_s for unit in self.units if unit.track.is_video == video]

    def pictures(self) -> list[AccessUnit]:
        return [unit for unit in self.units if unit.track.is_video]

    def assert_never_back(self) -> None:
        for video in (True, False):
            times = self.times(video=video)
            assert all(after > before for before, after in itertools.pairwise(times))


def test_what_comes_passes_as_it_is() -> None:
    output = Output()
    output.live(7.0, 4.0)
    assert not output.programme.is_filling
    assert [unit.track for unit in output.units] == [H264, AAC] * 100
    assert output.times(video=True)[0] == 7.0
    assert output.programme.left_out == 0


def test_it_begins_at_a_keyframe() -> None:
    output = Output()
    output.write(sound(0.0), picture(0.0), picture(0.04), sound(0.04))
    assert output.units == []
    output.write(picture(0.08, keyframe=True), sound(0.08))
    assert len(output.units) == 2
    assert output.programme.left_out == 4


def test_a_stream_without_sound_gets_silence_up_to_its_picture() -> None:
    output = Output(has_sound=False)
    output.live(0.0, 3.0, audio=False)
    silence = output.times(video=False)
    assert silence[-1] == pytest.approx(3.0 - 1 / FPS, abs=0.05)
    distances = {round(after - before, 4) for before, after in itertools.pairwise(silence)}
    assert distances == {round(1024 / 48_000, 4)}


@pytest.mark.parametrize("behind_s", [0.5, 1.3, 3.0])
@pytest.mark.parametrize("after_silence", [False, True], ids=["from the start", "after silence"])
def test_sound_is_heard_however_far_behind_the_picture_it_comes(behind_s: float, after_silence: bool) -> None:
    output = Output()
    if after_silence:
        output.live(0.0, 2.0, audio=False)
    began = 2.0 * after_silence
    for number in range(10 * FPS):
        at_s = began + number / FPS
        output.write(picture(at_s, keyframe=number % FPS == 0))
        if at_s - behind_s >= began:
            output.write(sound(at_s - behind_s))
        output.idle(1 / FPS)
    heard = [unit.dts_s for unit in output.units if unit.track is AAC]
    assert heard[0] < began + behind_s + 1.0
    assert heard[-1] == pytest.approx(began + 10.0 - behind_s, abs=0.1)
    tracks = [unit.track for unit in output.units if not unit.track.is_video]
    assert tracks[-len(heard) :] == [AAC] * len(heard)
    output.assert_never_back()


def test_no_silence_where_none_is_wanted() -> None:
    output = Output(has_sound=False, wants_sound=False)
    output.live(0.0, 2.0, audio=False)
    output.idle(3.0)
    assert output.times(video=False) == []


def test_while_the_publisher_is_away_picture_and_silence_go_on_at_its_pace() -> None:
    output = Output()
    output.live(0.0, 2.0)
    before = len(output.units)
    output.idle(10.0)
    assert output.programme.is_filling
    filled = output.units[before:]
    stills = [unit for unit in filled if unit.track.is_video]
    assert stills[0].keyframe
    # All of the ten seconds but for those that it was waited for a picture.
    assert len(stills) == pytest.approx(9 * FPS, abs=2)
    assert stills[-1].dts_s == pytest.approx(2.0 + 10.0, abs=0.1)
    assert output.times(video=False)[-1] == pytest.approx(2.0 + 10.0, abs=0.1)
    output.assert_never_back()


def test_the_picture_comes_back_at_a_keyframe_with_time_going_on() -> None:
    output = Output()
    output.live(0.0, 2.0)
    output.idle(60.0)
    output.write(picture(62.0), picture(62.04))
    assert output.pictures()[-1].track is STILL.track
    output.live(62.08, 2.0)
    assert not output.programme.is_filling
    first = next(unit for unit in output.pictures() if unit.track is H264 and unit.dts_s > 60)
    assert first.keyframe
    assert first.dts_s == pytest.approx(62.08, abs=0.1)
    output.assert_never_back()


@pytest.mark.parametrize("returns_at_s", [2.5, 11.0, 12.0, 15.0])
def test_a_publisher_whose_clock_is_behind_or_ahead_cannot_turn_time_back(returns_at_s: float) -> None:
    output = Output()
    output.live(0.0, 2.0)
    output.idle(10.0)
    output.live(returns_at_s, 3.0)
    output.assert_never_back()
    assert output.times(video=True)[-1] >= 14.9
    # Picture and sound stay together.
    assert output.times(video=True)[-1] == pytest.approx(output.times(video=False)[-1], abs=0.05)


def test_only_the_picture_is_away() -> None:
    output = Output()
    output.live(0.0, 2.0)
    for number in range(100):
        output.write(sound(2.0 + number / FPS))
        output.idle(1 / FPS)
    assert output.programme.is_filling
    assert {unit.track for unit in output.units if not unit.track.is_video} == {AAC}
    output.assert_never_back()


def test_only_the_sound_is_away() -> None:
    output = Output()
    output.live(0.0, 2.0)
    output.live(2.0, 3.0, audio=False)
    assert not output.programme.is_filling
    assert output.times(video=False)[-1] == pytest.approx(5.0, abs=0.1)
    output.live(5.0, 2.0)
    assert next(unit for unit in reversed(output.units) if not unit.track.is_video).track is AAC
    output.assert_never_back()


def test_nobody_has_come_yet() -> None:
    output = Output()
    output.idle(5.0)
    assert len(output.pictures()) == pytest.approx(4 * FPS, abs=2)
    output.live(3600.0, 2.0)
    output.assert_never_back()
    assert output.times(video=True)[-1] == pytest.approx(6.0, abs=0.2), "no jump of an hour"


def test_a_stall_of_the_server_is_not_filled_in_as_a_burst() -> None:
    output = Output()
    output.live(0.0, 2.0)
    output.idle(2.0)
    output.now += 30.0
    made = output.programme.fill(output.now)
    assert len([unit for unit in made if unit.track.is_video]) == 1
    assert len(made) < 120
    output.units += made
    output.assert_never_back()


def test_sound_alone() -> None:
    output = Output(has_picture=False)
    for number in range(50):
        output.write(sound(number / 50))
        output.idle(1 / 50)
    output.idle(3.0)
    assert output.times(video=False)[-1] == pytest.approx(4.0, abs=0.1)
    assert output.pictures() == []
    output.assert_never_back()


@pytest.mark.parametrize(("distance_s", "gop"), [(1.04, 10), (2.0, 5), (1.2, 250)])
def test_slides_are_not_taken_for_an_absence(distance_s: float, gop: int) -> None:
    output = Output()
    for number in range(30):
        output.write(picture(number * distance_s, keyframe=number % gop == 0))
        for step in range(round(distance_s * FPS)):
            output.write(sound(number * distance_s + step / FPS))
            output.idle(1 / FPS)
    assert {unit.track for unit in output.pictures()} == {H264}
    assert len(output.pictures()) == 30
    output.idle(3 * distance_s)
    assert output.programme.is_filling, "but when they stay away"


def test_slides_seconds_apart_are_known_once_they_were_missed() -> None:
    output = Output()
    for number in range(12):
        output.write(picture(number * 5.0, keyframe=number % 3 == 0))
        output.idle(5.0)
    late = [unit for unit in output.pictures() if unit.dts_s > 16.0]
    assert {unit.track for unit in late} == {H264}
    output.assert_never_back()


def test_an_absence_is_no_distance_of_pictures() -> None:
    output = Output()
    output.live(0.0, 2.0)
    output.idle(9.0)
    output.live(11.0, 0.2)
    output.idle(1.5)
    assert output.programme.is_filling


@pytest.mark.parametrize("gop_s", [0.8, 20])
def test_what_came_before_the_connection_puts_no_clock_ahead(gop_s: float) -> None:
    output = Output()
    for number in range(round(gop_s * FPS)):
        output.write(picture(number / FPS, keyframe=number == 0), age_s=gop_s - number / FPS)
    output.write(sound(gop_s - 0.5), sound(gop_s))
    output.live(gop_s, 4.0, gop=1000)
    pictures = output.times(video=True)
    assert len(pictures) == (gop_s + 4) * FPS
    assert pictures[-1] - pictures[0] == pytest.approx(4.0, abs=1.5)
    assert pictures[-1] == pytest.approx(output.times(video=False)[-1], abs=0.05)
    assert {round(after - before, 3) for before, after in itertools.pairwise(pictures[-90:])} == {0.04}
    output.assert_never_back()
    assert not output.programme.is_filling


def test_pictures_from_before_keep_the_order_they_are_shown_in() -> None:
    output = Output()
    shown = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8]
    for number, place in enumerate(shown):
        unit = picture(number / FPS + 0.04, keyframe=number == 0)
        output.write(replace(unit, pts=unit.dts + 3600 * (place - number + 1)), age_s=5 - number / FPS)
    made = output.pictures()
    assert sorted(range(10), key=lambda index: made[index].pts) == sorted(range(10), key=shown.__getitem__)
    assert all(unit.pts >= unit.dts for unit in made)
    output.assert_never_back()
