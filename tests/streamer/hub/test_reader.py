from __future__ import annotations

import threading

from streamer.hub.reader import Reader
from tests.fakes.units import picture, sound
from tests.fakes.wait import wait_until
from transport.media import AccessUnit


def drain(reader: Reader) -> list[AccessUnit]:
    units = []
    while (unit := reader.read(0)) is not None:
        units.append(unit)
    return units


def test_units_come_out_in_order() -> None:
    reader = Reader()
    written = [picture(0.0, keyframe=True), sound(0.0), picture(0.04)]
    for unit in written:
        reader.write(unit)
    assert drain(reader) == written
    assert reader.skipped == 0


class TestFull:
    def test_the_picture_is_dropped_until_a_keyframe(self) -> None:
        reader = Reader(max_units=4)
        reader.write(picture(0.0, keyframe=True))
        for number in range(1, 8):
            reader.write(picture(number * 0.04))
        reader.write(picture(0.32, keyframe=True))
        reader.write(picture(0.36))
        assert [unit.dts_s for unit in drain(reader)] == [0.32, 0.36]
        assert reader.skipped == 8

    def test_everything_is_counted_once(self) -> None:
        reader = Reader(max_units=8)
        written = 0
        for number in range(200):
            reader.write(picture(number * 0.04, keyframe=number % 25 == 0))
            reader.write(sound(number * 0.04))
            written += 2
        assert reader.waiting <= 8
        assert len(drain(reader)) + reader.skipped == written

    def test_sound_goes_on(self) -> None:
        reader = Reader(max_units=4)
        for number in range(4):
            reader.write(picture(number * 0.04, keyframe=number == 0))
        reader.write(sound(0.2))
        reader.write(picture(0.2))
        reader.write(sound(0.22))
        assert [unit.track.is_video for unit in drain(reader)] == [False, False]

    def test_sound_alone_loses_the_oldest(self) -> None:
        reader = Reader(max_units=4)
        for number in range(6):
            reader.write(sound(number * 0.02))
        assert [unit.dts_s for unit in drain(reader)] == [0.04, 0.06, 0.08, 0.1]
        assert reader.skipped == 2

    def test_a_keyframe_that_finds_it_full_is_kept(self) -> None:
        reader = Reader(max_units=2)
        reader.write(picture(0.0, keyframe=True))
        reader.write(picture(0.04))
        reader.write(picture(0.08, keyframe=True))
        reader.write(picture(0.12))
        assert [unit.dts_s for unit in drain(reader)] == [0.08, 0.12]

    def test_never_a_picture_whose_reference_was_dropped(self) -> None:
        reader = Reader(max_units=3)
        seen: list[AccessUnit] = []
        for number in range(100):
            reader.write(picture(number * 0.04, keyframe=number % 10 == 0))
            if number % 7 == 0:
                seen += drain(reader)
        broken = False
        expected = 0
        for unit in seen:
            number = round(unit.dts_s / 0.04)
            broken |= number != expected and not unit.keyframe
            expected = number + 1
        assert seen
        assert not broken


class TestClose:
    def test_a_waiting_thread_returns(self) -> None:
        reader = Reader()
        got: list[AccessUnit | None] = []
        thread = threading.Thread(target=lambda: got.append(reader.read(60.0)))
        thread.start()
        reader.close()
        thread.join(20)
        assert got == [None]

    def test_later_units_are_ignored(self) -> None:
        reader = Reader()
        reader.write(picture(0.0, keyframe=True))
        reader.close()
        reader.write(picture(0.04))
        assert reader.closed
        assert reader.waiting == 0
        assert reader.read(0) is None


def test_a_unit_wakes_the_waiting_thread() -> None:
    reader = Reader()
    got: list[AccessUnit | None] = []
    thread = threading.Thread(target=lambda: got.append(reader.read(60.0)))
    thread.start()
    unit = picture(0.0, keyframe=True)
    reader.write(unit)
    wait_until(lambda: got == [unit])
    thread.join()


def test_an_output_without_a_thread_takes_everything_and_is_rung_for_once() -> None:
    rung: list[int] = []
    reader = Reader(on_ready=lambda: rung.append(reader.waiting))
    units = [picture(0.0, keyframe=True), sound(0.0), picture(0.04)]
    for unit in units:
        reader.write(unit)
    assert rung == [1]
    assert reader.take() == units
    assert reader.take() == []
    reader.write(units[0])
    assert rung == [1, 1]
    reader.close()
    reader.write(units[0])
    assert rung == [1, 1]
