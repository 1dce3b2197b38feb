from __future__ import annotations

from datetime import date

import pytest

from ops.sandbox.clock import Clock, graph_time, pacific_day, parse_time, rfc3339


def test_it_only_goes_forward() -> None:
    clock = Clock(lambda: 100.0)
    clock.advance(50)
    assert clock.now() == 150.0
    with pytest.raises(ValueError, match="expected a number of seconds of 0 or more"):
        clock.advance(-1)


def test_times_as_platforms_write_and_take_them() -> None:
    at = parse_time("2026-11-25T18:50:16+01:00")
    assert (rfc3339(at), graph_time(at)) == ("2026-11-25T17:50:16Z", "2026-11-25T17:50:16+0000")
    with pytest.raises(ValueError, match="expected a time with a zone"):
        parse_time("2026-11-25T18:50:16")


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-01-15T07:59:59Z", date(2026, 1, 14)),
        ("2026-01-15T08:00:00Z", date(2026, 1, 15)),
        ("2026-07-15T06:59:59Z", date(2026, 7, 14)),  # daylight saving time
        ("2026-07-15T07:00:00Z", date(2026, 7, 15)),
    ],
)
def test_days_begin_at_midnight_in_california(text: str, day: date) -> None:
    assert pacific_day(parse_time(text)) == day
