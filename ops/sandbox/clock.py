"""Wall-clock time that can be put forward, and the ways platforms write it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def _pacific() -> tzinfo:
    try:
        return ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:  # a system without time zones: right in winter
        return timezone(timedelta(hours=-8))


PACIFIC = _pacific()


class Clock:
    """What all deadlines of the sandbox go by.

    Args:
        source: seconds since 1970.
    """

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self.ahead_s = 0.0

    def now(self) -> float:
        """Seconds since 1970, put forward as told."""
        return self._source() + self.ahead_s

    def advance(self, seconds: float) -> None:
        """Put it forward. Time never goes back.

        Raises:
            ValueError: a negative number.
        """
        if seconds < 0:
            raise ValueError(f"expected a number of seconds of 0 or more, got {seconds:g}")
        self.ahead_s += seconds


def rfc3339(at: float) -> str:
    """As Google and Twitch write it: 2026-11-25T17:50:16Z."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def graph_time(at: float) -> str:
    """As Facebook writes it: 2026-11-25T17:50:16+0000."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def parse_time(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 time with a zone.

    Raises:
        ValueError: it is none, or has no zone.
    """
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(f"expected a time with a zone, got {text!r}")
    return parsed.timestamp()


def pacific_day(at: float) -> date:
    """The day in California, by which Google counts quota."""
    return datetime.fromtimestamp(at, PACIFIC).date()
