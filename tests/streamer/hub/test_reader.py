from __future__ import annotations

import threading

import pytest

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


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class TestFull:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def reader(self, clock: Clock) -> Reader:
        return Reader(max_wait_s=1.0, clock=clock)

    def write(self, reader: Reader, clock: Clock, *units: AccessUnit) -> None:
        """Each at its time."""
        for unit in units:
            clock.now = unit.dts_s
            reader.write(unit)

    def test_the_picture_is_dropped_until_a_keyframe(self, reader: Reader, clock: Clock) -> None:
        self.write(reader, clock, *(picture(n * 0.25, keyframe=n in (0, 8)) for n in range(10)))
        assert [unit.dts_s for unit in drain(reader)] == [2.0, 2.25]
        assert reader.skipped == 8

    def test_a_long_gop_that_is_replayed_is_kept(self, reader: Reader, clock: Clock) -> None:
        units = [picture(n / 60, keyframe=n == 0) for n in range(2000)]
        for unit in units:
            reader.write(unit)
        clock.now = 0.9
        reader.write(picture(2000 / 60))
        assert drain(reader)[:2000] == units
        assert reader.skipped == 0

    def test_everything_is_counted_once(self, reader: Reader, clock: Clock) -> None:
        units = [
            unit for n in range(200) for unit in (picture(n * 0.04, keyframe=n % 25 == 0), sound(n * 0.04))
        ]
        self.write(reader, clock, *units)
        waiting = drain(reader)
        assert waiting[0].dts_s >= clock.now - 1.04
        assert len(waiting) + reader.skipped == len(units)

    def test_sound_goes_on(self, reader: Reader, clock: Clock) -> None:
        self.write(
            reader, clock, picture(0.0, keyframe=True), picture(0.5), sound(0.6), sound(1.2), picture(1.3)
        )
        assert [unit.dts_s for unit in drain(reader)] == [0.6, 1.2]

    def test_sound_alone_loses_the_oldest(self, reader: Reader, clock: Clock) -> None:
        self.write(reader, clock, *(sound(n * 0.25) for n in range(8)))
        assert [unit.dts_s for unit in drain(reader)] == [0.75, 1.0, 1.25, 1.5, 1.75]
        assert reader.skipped == 3
        self.write(reader, clock, picture(2.0))
        assert len(drain(reader)) == 1  # no picture was dropped, so none has to wait for a keyframe

    def test_a_keyframe_that_finds_it_full_is_kept(self, reader: Reader, clock: Clock) -> None:
        self.write(
            reader,
            clock,
            picture(0.0, keyframe=True),
            picture(0.5),
            picture(1.5, keyframe=True),
            picture(1.6),
        )
        assert [unit.dts_s for unit in drain(reader)] == [1.5, 1.6]

    def test_never_a_picture_whose_reference_was_dropped(self, reader: Reader, clock: Clock) -> None:
        seen: list[AccessUnit] = []
        for number in range(100):
            self.write(reader, clock, picture(number * 0.4, keyframe=number % 10 == 0))
            if number % 7 == 0:
                seen += drain(reader)
        broken = False
        expected = 0
        for unit in seen:
            number = round(unit.dts_s / 0.4)
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
