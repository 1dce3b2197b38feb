from __future__ import annotations

import random

from loadtests.crowd.tally import Counts, Sequence


def counted(*seqs: int) -> Sequence:
    sequence = Sequence(seqs[0])
    for seq in seqs:
        sequence.take(seq)
    return sequence


def test_a_gap_is_expected_but_not_received():
    sequence = counted(10, 11, 14)
    assert (sequence.received, sequence.expected, sequence.highest) == (3, 5, 14)


def test_it_goes_on_after_65535():
    sequence = counted(65534, 65535, 0, 1)
    assert (sequence.received, sequence.expected, sequence.highest) == (4, 4, 65537)


def test_order_does_not_matter():
    seqs = list(range(100))
    random.Random(1).shuffle(seqs)
    sequence = counted(*seqs)
    assert (sequence.received, sequence.expected) == (100, 100)


def test_what_came_between_two_moments():
    earlier = Counts(received=10, expected=10, dropped_by_filter=190, checked=1)
    later = Counts(received=19, expected=20, retransmitted=1, dropped_by_filter=390, checked=1)
    window = later.since(earlier)
    assert window == Counts(received=9, expected=10, retransmitted=1, dropped_by_filter=200, checked=1)
    assert window.loss == 1 - 9 / 10
    assert window.delivered == 210


def test_viewers_are_added_up():
    total = Counts()
    total.add(Counts(received=5, expected=6, checked=1))
    total.add(Counts(dropped_by_filter=6))
    assert (total.delivered, total.checked, total.expected) == (11, 1, 6)


def test_nothing_expected_is_no_loss():
    assert Counts().loss == 0
