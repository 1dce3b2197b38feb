"""Metrics of those who are there for a stream, in whatever way: readers, viewers over HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streamer.hub.registry import Registry
from streamer.hub.stream import Stream


class Present(Protocol):
    """Somebody who is there."""

    @property
    def stream(self) -> Stream:
        """What for."""


class PresentCollector(Collector):
    """How many are there for each stream.

    Args:
        registry: the streams.
        name: of the metric.
        documentation: what it says.
        present: who is there now.
    """

    def __init__(
        self, registry: Registry, name: str, documentation: str, present: Callable[[], Iterable[Present]]
    ) -> None:
        self._registry = registry
        self._name = name
        self._documentation = documentation
        self._present = present

    def describe(self) -> list[Metric]:
        """Nothing fixed, as for all collectors here."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All streams, the configuration's order."""
        gauge = GaugeMetricFamily(self._name, self._documentation, labels=["stream"])
        counts = Counter(each.stream.name for each in self._present())
        for stream in self._registry:
            gauge.add_metric([stream.name], counts[stream.name])
        yield gauge
