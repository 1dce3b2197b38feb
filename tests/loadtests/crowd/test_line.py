from __future__ import annotations

from loadtests.crowd.line import Line, Missing


def test_the_same_seed_loses_the_same_packets():
    fates = [[line.loses() for _ in range(2000)] for line in (Line(loss=0.1, seed=5), Line(loss=0.1, seed=5))]
    assert fates[0] == fates[1]
    assert 150 < sum(fates[0]) < 250
    assert not any(Line().loses() for _ in range(100))


def test_what_is_missing_is_asked_for_until_it_comes():
    missing = Missing(0.5)
    missing.skipped(range(0xFFFE, 0x10002), 1.0)
    assert missing.wanted(1.0) == (0xFFFE, 0xFFFF, 0, 1)
    assert missing.wanted(1.4) == ()
    missing.came([0xFFFF, 1])
    assert missing.wanted(1.5) == (0xFFFE, 0)


def test_what_never_comes_is_given_up():
    missing = Missing(0.5)
    missing.skipped(range(7, 8), 0.0)
    assert sum(bool(missing.wanted(0.5 * number)) for number in range(100)) == 10


def test_another_stream_of_numbers_is_no_gap():
    missing = Missing(0.5)
    missing.skipped(range(1, 30_000), 0.0)
    assert missing.wanted(1.0) == ()
