"""Metrics of those who watch over HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streamer.egress.hls import HlsEgress
from streamer.hub.registry import Registry


class HlsCollector(Collector):
    """How many watch each stream over HLS."""

    def __init__(self, registry: Registry, egress: HlsEgress) -> None:
        self._registry = registry
        self._egress = egress

    def describe(self) -> list[Metric]:
        """Nothing fixed, as for all collectors here."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All streams, the configuration's order."""
        viewers = GaugeMetricFamily("streamer_hls_viewers", "Viewers over HLS now", labels=["stream"])
        counts = Counter(viewer.stream.name for viewer in self._egress.viewers)
        for stream in self._registry:
            viewers.add_metric([stream.name], counts[stream.name])
        yield viewers
