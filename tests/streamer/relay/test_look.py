from __future__ import annotations

import pytest

from streamer.relay.look import usual_rate


@pytest.mark.parametrize(
    ("measured", "rate"),
    [(0.0, None), (0.5, None), (29.99, 30.0), (29.965, 29.97), (24.9, 25.0), (15.2, 15.0), (59.96, 59.94)],
)
def test_a_measured_rate_is_taken_for_one_that_cameras_have(measured: float, rate: float | None) -> None:
    assert usual_rate(measured) == rate
