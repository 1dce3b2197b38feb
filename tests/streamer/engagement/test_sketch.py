from __future__ import annotations

import numpy as np
import pytest

from streamer.engagement.sketch import Scores, Sketch


def test_quantiles_are_right_to_half_a_percent() -> None:
    values = np.random.default_rng(7).lognormal(4, 1, 5000)
    sketch = Sketch.of(values)
    for share in (0.01, 0.5, 0.9, 0.99):
        assert sketch.quantile(share) == pytest.approx(
            np.quantile(values, share, method="inverted_cdf"), rel=0.006
        )
    assert sketch.mean() == pytest.approx(values.mean(), rel=0.005)


def test_sums_of_sketches_are_sketches_of_sums() -> None:
    both = Sketch.of([1.0, 2.0, 3.0])
    both.add(Sketch.of([4.0]).serialize())
    both.add(Sketch.parse(None))
    assert both.serialize() == Sketch.of([4.0, 3.0, 2.0, 1.0]).serialize()
    assert both.total == 4


def test_what_is_no_value() -> None:
    sketch = Sketch.of([float("nan"), float("inf"), 0.0, -1.0])
    assert (sketch.total, sketch.quantile(1.0)) == (2, 0.0)
    assert Sketch().quantile(0.5) is None
    assert Sketch().mean() is None


def test_scores_are_exact_to_a_tenth() -> None:
    scores = Scores.of([0.0, 50.04, 100.0, 70.0])
    assert scores.mean() == 55
    assert scores.quantile(1.0) == 100
    assert [scores.between(low, low + 10) for low in (0, 40, 60, 90)] == [1, 1, 1, 1]
