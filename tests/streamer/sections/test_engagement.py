from __future__ import annotations

from streamer.config import parse
from tests.streamer.sections.findings import finding


def test_hours_are_kept_as_long_as_minutes() -> None:
    assert parse({"engagement": {"hour_days": 7}}).engagement.hour_days == 7
    found = finding("engagement", {"hour_days": 6})
    assert "hour_days is 6; expected at least minute_days, 7" in found
