"""Metrics of audiences for Prometheus. Labels are names of configured streams: they are bounded."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ops.components.engagement import Engagement
from streamer.engagement.sketch import Sketch
from streamer.engagement.store import Sum

_STARTS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 3.0, 5.0, 10.0)
_QUALITIES = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95)


class AudienceMetrics(Collector):
    """What `/metrics` shows of audiences.

    Args:
        engagement: who watched on this machine since it started, and who watches anywhere.
        streams: names of those that are configured; others are not shown.
    """

    def __init__(self, engagement: Engagement, streams: Callable[[], Iterable[str]]) -> None:
        self._engagement = engagement
        self._streams = streams

    def describe(self) -> list[Metric]:
        """Nothing fixed: prometheus-client would otherwise collect once at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Count now."""
        yield from self._now()
        yield from self._since()
        yield from self._pipeline()

    def _now(self) -> Iterator[Metric]:
        viewers = GaugeMetricFamily(
            "streamer_audience_viewers", "Viewers now, on all machines", labels=["stream"]
        )
        quality = GaugeMetricFamily(
            "streamer_audience_quality", "Mean quality score of who watches, 0-100", labels=["stream"]
        )
        live = self._engagement.live()
        for name in self._streams():
            viewers.add_metric([name], live[name].viewers if name in live else 0)
            if name in live and not math.isnan(live[name].quality):
                quality.add_metric([name], live[name].quality)
        yield from (viewers, quality)

    def _since(self) -> Iterator[Metric]:
        def counter(name: str, text: str) -> CounterMetricFamily:
            return CounterMetricFamily(f"streamer_audience_{name}", text, labels=["stream"])

        families = {
            "plays": counter("plays", "Sessions that media were sent to"),
            "failed": counter("failed_joins", "Sessions that ended before that"),
            "watch_s": counter("watch_seconds", "Time that was watched"),
            "frozen_s": counter("frozen_seconds", "Of it, with a frozen picture, as players report"),
            "freezes": counter("freezes", "Freezes, as players report"),
            "dropped": counter("frames_dropped", "Pictures that players decoded too late to show"),
            "decoded": counter("frames_decoded", "Pictures that players decoded"),
        }
        starts = HistogramMetricFamily(
            "streamer_audience_join_seconds", "From asking to the first media", labels=["stream"]
        )
        scores = HistogramMetricFamily(
            "streamer_audience_session_quality", "Quality scores of sessions that ended", labels=["stream"]
        )
        nothing = Sum()
        for name in self._streams():
            total = self._engagement.totals.get(name) or nothing
            for field, family in families.items():
                family.add_metric([name], total.numbers[field])
            starts.add_metric([name], *_histogram(total.sketches["starts"], _STARTS_S, 1000.0))
            scores.add_metric([name], *_histogram(total.sketches["qualities"], _QUALITIES, 1.0))
        yield from families.values()
        yield from (starts, scores)

    def _pipeline(self) -> Iterator[Metric]:
        engagement = self._engagement
        spool = engagement.delivery.spool
        yield GaugeMetricFamily(
            "streamer_audience_spool_bytes", "Viewing sessions that wait on disk", value=spool.size
        )
        yield CounterMetricFamily(
            "streamer_audience_batches_dropped", "Batches that a full spool gave up", value=spool.dropped
        )
        beacons = CounterMetricFamily("streamer_audience_beacons", "Reports of players", labels=["result"])
        beacons.add_metric(["taken"], engagement.beacons.taken)
        beacons.add_metric(["refused"], engagement.beacons.refused)
        yield beacons
        told = CounterMetricFamily("streamer_webhooks", "Happenings told to webhooks", labels=["result"])
        told.add_metric(["delivered"], sum(webhook.delivered for webhook, _ in engagement.webhooks))
        told.add_metric(["dropped"], sum(webhook.dropped for webhook, _ in engagement.webhooks))
        yield told
        if engagement.cluster is not None:
            nodes = engagement.cluster.nodes
            yield GaugeMetricFamily(
                "streamer_cluster_nodes", "Machines that are there", value=len(nodes.alive)
            )
            yield GaugeMetricFamily(
                "streamer_cluster_connected",
                "1 while Redis answers",
                value=float(nodes.together is not None),
            )


def _histogram(
    sketch: Sketch, edges: tuple[float, ...], unit: float
) -> tuple[list[tuple[str, float]], float]:
    below = np.concatenate(([0], np.cumsum(sketch.counts)))
    found = below[np.searchsorted(sketch.MIDDLES, np.array(edges) * unit, side="right")]
    counts = [(f"{edge:g}", float(count)) for edge, count in zip(edges, found, strict=True)]
    total = float(sketch.total)
    return [*counts, ("+Inf", total)], (sketch.mean() or 0.0) * total / unit
