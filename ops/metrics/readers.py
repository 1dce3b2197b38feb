"""Metrics of those who read over SRT or RTSP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streamer.egress.readers import ReaderSource
from streamer.hub.registry import Registry


class ReaderCollector(Collector):
    """How many read each stream."""

    def __init__(self, registry: Registry, source: ReaderSource) -> None:
        self._registry = registry
        self._source = source

    def describe(self) -> list[Metric]:
        """Nothing fixed, as for all collectors here."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All streams, the configuration's order."""
        readers = GaugeMetricFamily("streamer_readers", "Who reads now, over SRT or RTSP", labels=["stream"])
        counts = Counter(reader.stream.name for reader in self._source.readers)
        for stream in self._registry:
            readers.add_metric([stream.name], counts[stream.name])
        yield readers
