"""Sinks that remember, and one that fails."""

from __future__ import annotations

from transport.media import AccessUnit


class Collector:
    def __init__(self) -> None:
        self.units: list[AccessUnit] = []

    def write(self, unit: AccessUnit) -> None:
        self.units.append(unit)

    @property
    def seconds(self) -> list[float]:
        return [round(unit.dts_s, 3) for unit in self.units]


class Failing:
    """Fails from a call on."""

    def __init__(self, after: int = 0) -> None:
        self.calls = 0
        self._after = after

    def write(self, unit: AccessUnit) -> None:
        self.calls += 1
        if self.calls > self._after:
            raise RuntimeError("this output is broken")
