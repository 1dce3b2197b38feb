"""Google's quota: units per project and day, counted anew at midnight in California."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

from ops.sandbox.clock import Clock, pacific_day

DAILY_UNITS = 10_000
# Everything that is no list is a write; a call that fails costs its price too.
_PRICES = {"list": 1, "insert": 50, "update": 50, "delete": 50, "bind": 50, "transition": 50, "set": 50}


class QuotaExceeded(Exception):
    """The day's units do not suffice for this call."""


class Quota:
    """The units of all projects.

    Attributes:
        daily_units: how many each has; control may change it.
    """

    def __init__(self, clock: Clock, daily_units: int = DAILY_UNITS) -> None:
        self._clock = clock
        self._day: date = pacific_day(clock.now())
        self._spent: defaultdict[str, int] = defaultdict(int)
        self.daily_units = daily_units

    def charge(self, client_id: str, operation: str) -> int:
        """Take a call's units from the project of an app; returns how many.

        Args:
            client_id: the app's; its first part is the project's number.
            operation: `liveBroadcasts.insert`.

        Raises:
            QuotaExceeded: they do not suffice.
        """
        self._begin_day()
        project, units = _project(client_id), _PRICES[operation.rpartition(".")[2]]
        if self._spent[project] + units > self.daily_units:
            raise QuotaExceeded
        self._spent[project] += units
        return units

    def spent(self, client_id: str) -> int:
        """Today's units of an app's project."""
        self._begin_day()
        return self._spent[_project(client_id)]

    def all_spent(self) -> dict[str, int]:
        """Today's units of every project."""
        self._begin_day()
        return dict(self._spent)

    def _begin_day(self) -> None:
        if (today := pacific_day(self._clock.now())) != self._day:
            self._day = today
            self._spent.clear()


def _project(client_id: str) -> str:
    return client_id.partition("-")[0]
