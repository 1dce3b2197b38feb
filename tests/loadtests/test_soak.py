from __future__ import annotations

import pytest

from loadtests.soak import Sample, slope, table


def test_the_slope_of_a_line():
    assert slope([0, 1, 2, 3], [5, 7, 9, 11]) == pytest.approx(2)
    assert slope([1, 1], [5, 9]) == 0
    assert slope([], []) == 0


def test_the_first_quarter_does_not_count():
    rss = [10_000, 20_000, 30_000, 30_060, 30_120, 30_180, 30_240, 30_300]
    samples = [Sample(60.0 * at, 100 * at, 0, kb, 4, 20) for at, kb in enumerate(rss)]
    text = table(samples)
    assert "| RSS KB | 30000 | 30300 | +60.0 | +600.0 |" in text
    assert "| threads | 4 | 4 | +0.0 | +0.0 |" in text
    assert text.endswith("700 joins, 0 failed, 7.0 minutes\n")
