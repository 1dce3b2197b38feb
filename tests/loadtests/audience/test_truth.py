from __future__ import annotations

import pytest

from loadtests.audience.truth import Compared, Truth, peak, quality, quantile
from loadtests.audience.visits import Said, Visit
from loadtests.crowd.line import Line
from loadtests.crowd.tally import Counts


def visit(began_at: float, ended_at: float, **known: object) -> Visit:
    visit = Visit(1, 0, ended_at - began_at, Line(), began_at=began_at, ended_at=ended_at)
    for name, value in known.items():
        setattr(visit, name, value)
    return visit


def test_by_how_much_a_figure_is_off():
    assert Compared("plays", 99, 100).off == pytest.approx(0.01)
    assert Compared("plays", 99, 100).holds
    assert not Compared("plays", 98, 100).holds
    assert Compared("failed", 0, 0).holds
    assert not Compared("failed", 1, 0).holds


def test_the_most_at_once_of_all_time_and_of_a_minute():
    visits = [visit(0, 30), visit(10, 70), visit(20, 80), visit(90, 100)]
    assert peak(visits) == 3
    assert [peak(visits, at, at + 60) for at in (0, 60, 120)] == [3, 2, 0]


def test_who_failed_was_not_there():
    assert len(Truth([visit(0, 30), visit(0, 30, failed="refused")]).visits) == 1


def test_of_who_was_cut_off_only_what_was_known_counts():
    known = {10: Counts(received=5, lost=4, told_lost=2)}
    (there,) = Truth([visit(0, 0, cut_off=True, samples=known)], known_at=10.4).visits
    assert (there.watched_s, there.counts.received, there.counts.lost) == (10.4, 5, 2)


def test_quantiles_and_scores():
    assert [quantile([3, 1, 2, 4], share) for share in (0.05, 0.5, 0.75, 0.99)] == [1, 2, 3, 4]
    lossy = Counts(received=90, lost=10, retransmitted=5)
    assert quality(visit(0, 10, counts=lossy)) == pytest.approx(75)
    assert quality(visit(0, 10, counts=lossy, join_ms=6000)) == pytest.approx(75 * 0.9)
    said = Said(0.1, 1, 90, 10, 0, 0, 0, 0)
    assert quality(visit(0, 10, counts=lossy, said=said)) == pytest.approx(60 * 0.9)
