from __future__ import annotations

import math

import numpy as np
import pytest

from transport.plane.delays import BUCKETS, UNIT_S, bucket, edge_s, percentile_s


@pytest.mark.parametrize("seconds", [0.0, UNIT_S, 0.000_2, 0.001, 0.0199, 0.5])
def test_a_delay_counts_in_the_first_bucket_that_holds_it(seconds: float) -> None:
    number = bucket(seconds)
    assert seconds <= edge_s(number) * (1 + 1e-12)
    assert number == 0 or seconds > edge_s(number - 1)


def test_the_last_bucket_holds_everything() -> None:
    assert bucket(1e9) == BUCKETS - 1
    assert edge_s(BUCKETS - 1) == math.inf


def test_percentiles_are_close_from_above() -> None:
    counts = np.zeros(BUCKETS, dtype=np.uint64)
    for number in range(1, 1001):
        counts[bucket(number / 2000)] += np.uint64(1)
    for share in (0.01, 0.5, 0.99, 1.0):
        assert share <= 2 * percentile_s(counts, share) * (1 + 1e-12) < share * 2 ** (1 / 8) * (1 + 1e-9)


def test_without_units_there_is_no_delay() -> None:
    assert math.isnan(percentile_s(np.zeros(BUCKETS, dtype=np.uint64), 0.5))
