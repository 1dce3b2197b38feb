"""The policy with a line that is a model: what does not fit queues and is lost, and the estimate follows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from streamer.egress.webrtc.adaptation import Adaptation
from streamer.egress.webrtc.lines import Line
from streamer.hub.ladder import STILLS, rungs

BITRATES = rungs(1280, 720, 2_500_000)
SOUND_BPS = 100_000


class Model:
    """One viewer behind a line.

    Attributes:
        got: the rung of every second so far.
        whole: for every second, whether all of it came.
    """

    def __init__(self, *, estimates: bool = True, loss: float = 0.0) -> None:
        self.adaptation = Adaptation()
        self.got: list[int] = []
        self.whole: list[bool] = []
        self._estimates = estimates
        self._loss = loss
        self._estimate_bps = 0.0

    def run(self, seconds: int, line_bps: float | Callable[[int], float]) -> Model:
        for second in range(seconds):
            fits_bps = line_bps if isinstance(line_bps, (int, float)) else line_bps(second)
            video_bps = BITRATES[self.adaptation.rung]
            sent_bps = video_bps + SOUND_BPS
            is_full = sent_bps > fits_bps
            # The browser speaks of the picture alone.
            arriving_bps = video_bps * min(1.0, fits_bps / sent_bps)
            # What libwebrtc does: 0.85 of what came when it comes later and later, else 8 % a second more,
            # and no more than half above what comes. It begins with that.
            wanted_bps = 0.85 * arriving_bps if is_full else (self._estimate_bps or arriving_bps) * 1.08
            self._estimate_bps = min(wanted_bps, 1.5 * arriving_bps)
            loss = self._loss + (1 - fits_bps / sent_bps if is_full else 0.0)
            line = Line(loss, video_bps, self._estimate_bps if self._estimates else 0.0, is_full)
            self.got.append(self.adaptation.rung)
            self.whole.append(not is_full)
            self.adaptation.look(line, BITRATES, float(len(self.got)))
        return self

    @property
    def changes(self) -> int:
        """How often it was another rung."""
        return sum(before != after for before, after in pairwise([*self.got, self.adaptation.rung]))

    def share(self, *rungs: int) -> float:
        """Of the time, so many of the rungs."""
        return sum(rung in rungs for rung in self.got) / len(self.got)


@pytest.mark.parametrize("loss", [0.0, 0.05, 0.1])
def test_a_wide_line_gets_the_full_picture_whatever_it_loses(loss: float) -> None:
    model = Model(loss=loss).run(300, 20_000_000)
    assert model.share(0) == 1.0
    assert model.adaptation.is_idle
    assert model.changes == 0


@pytest.mark.parametrize(("line_bps", "rung"), [(1_600_000, 1), (900_000, 2), (560_000, 3)])
def test_a_narrow_line_gets_what_fits(line_bps: float, rung: int) -> None:
    model = Model().run(900, line_bps)
    assert model.share(rung) > 0.85
    # Trials, ever rarer.
    assert sum(model.whole) / len(model.whole) > 0.95
    assert all(model.whole[-100:]) or model.whole[-100:].count(False) <= 3


def test_it_goes_down_within_two_looks_and_at_once_as_far_as_it_must() -> None:
    model = Model().run(60, 20_000_000).run(2, 500_000)
    assert model.adaptation.rung == 3
    assert Model().run(60, 20_000_000).run(2, 200_000).adaptation.rung == STILLS


def test_what_is_narrow_for_a_second_is_borne() -> None:
    model = Model().run(60, 20_000_000).run(1, 500_000).run(60, 20_000_000)
    assert model.changes == 0


def test_it_comes_back_a_rung_at_a_time() -> None:
    model = Model().run(30, 20_000_000).run(30, 500_000).run(150, 20_000_000)
    back = model.got[60:]
    assert [rung for rung in (3, 2, 1, 0) if rung in back] == [3, 2, 1, 0]
    assert sorted(back, reverse=True) == back
    assert back[100:] == [0] * 50
    assert model.run(30, 20_000_000).adaptation.is_idle


def test_where_no_picture_fits_stills_are_left() -> None:
    model = Model().run(900, 200_000)
    assert model.share(STILLS) > 0.9
    assert sum(model.whole) / len(model.whole) > 0.95
    back = model.run(150, 20_000_000).got[900:]
    assert back[-1] == 0


def test_an_estimate_below_what_arrives_holds_nobody_back() -> None:
    adaptation = Adaptation(3, 0.0)
    for second in range(1, 20):
        adaptation.look(Line(0.0, 270_000, 10_000, queues=False), BITRATES, float(second))
    assert adaptation.rung == 2


def test_an_estimate_that_stays_at_what_arrives_does() -> None:
    adaptation = Adaptation(3, 0.0)
    for second in range(1, 200):
        adaptation.look(Line(0.0, 270_000, 290_000, queues=False), BITRATES, float(second))
    assert adaptation.rung == 3


def test_there_is_nothing_below_the_last_rung() -> None:
    model = Model().run(200, 80_000)
    assert model.adaptation.rung == STILLS
    assert model.changes <= 3


def test_where_nothing_is_estimated_loss_decides_and_takes_longer() -> None:
    model = Model(estimates=False).run(20, 20_000_000).run(3, 900_000)
    assert model.adaptation.rung == 0
    model.run(40, 900_000)
    assert model.adaptation.rung == 2
    assert Model(estimates=False, loss=0.25).run(100, 20_000_000).changes == 0


def test_a_line_that_swings_is_not_followed_at_every_swing() -> None:
    model = Model().run(600, lambda second: 1_000_000 if second // 20 % 2 else 6_000_000)
    assert model.changes < 40
    assert sum(model.whole) / len(model.whole) > 0.9


def test_a_trial_fails_at_the_first_sign_and_the_next_one_waits() -> None:
    model = Model().run(400, 1_600_000)
    tried = [second for second in range(1, 400) if (model.got[second - 1], model.got[second]) == (1, 0)]
    lasted = [next(n for n, rung in enumerate(model.got[second:]) if rung) for second in tried]
    assert len(tried) >= 2
    assert set(lasted) == {1}
    waits = [later - sooner for sooner, later in pairwise(tried)]
    assert all(later > 1.5 * sooner for sooner, later in pairwise(waits))


def test_a_ladder_may_become_shorter() -> None:
    adaptation = Adaptation(3, 0.0)
    assert adaptation.look(Line(0.0, 300_000, 400_000, queues=False), BITRATES[:1], 1.0) == 0


def test_what_cannot_be_had_is_asked_for_again() -> None:
    adaptation = Adaptation()
    narrow = Line(0.5, 2_600_000, 1_000_000, queues=True)
    adaptation.look(narrow, BITRATES, 1.0)
    assert adaptation.look(narrow, BITRATES, 2.0) == 2
    adaptation.stay(0)
    assert adaptation.look(narrow, BITRATES, 7.0) == 0
    assert adaptation.look(narrow, BITRATES, 8.0) == 2
