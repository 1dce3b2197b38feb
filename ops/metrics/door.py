"""Metrics of the door: who was let in and refused, who is in, and who asked too often."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ops.identity.identity import Guard


class DoorCollector(Collector):
    """Collected when asked for.

    Args:
        guard: whose door it is.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def describe(self) -> list[Metric]:
        """Nothing fixed, as for streams."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every label has one of a few values, however many people there are."""
        decisions = CounterMetricFamily(
            "streamer_access_decisions", "Who asked to be let in", labels=["action", "outcome"]
        )
        for (action, outcome), count in sorted(self._guard.decisions.items()):
            decisions.add_metric([action, outcome], count)
        yield decisions
        yield GaugeMetricFamily(
            "streamer_access_sessions", "What goes on by leave of a key, token, login or grant",
            value=self._guard.sessions,
        )  # fmt: skip
        limited = CounterMetricFamily(
            "streamer_rate_limited", "Requests of addresses that asked too often", labels=["kind"]
        )
        rates = self._guard.rates
        for kind, limiter in (("login", rates.login), ("whep", rates.whep), ("api", rates.api)):
            limited.add_metric([kind], limiter.refused)
        yield limited
