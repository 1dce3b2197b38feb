"""Relays for Prometheus. Labels are the stream and the destination's name: their number is bounded."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streamer.relay.machine import State
from streamer.relay.relays import Relays

_LABELS = ["stream", "relay"]


class RelayCollector(Collector):
    """Collects when asked."""

    def __init__(self, relays: Relays) -> None:
        self._relays = relays

    def describe(self) -> list[Metric]:
        """Nothing fixed: prometheus-client would otherwise collect once at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every relay as it is now."""
        state = GaugeMetricFamily(
            "streamer_relay_state", "1 for the state that a relay is in", labels=[*_LABELS, "state"]
        )
        live = GaugeMetricFamily("streamer_relay_live", "1 while something is sent", labels=_LABELS)
        bitrate = GaugeMetricFamily("streamer_relay_bitrate_bps", "Bits per second sent", labels=_LABELS)
        rtt = GaugeMetricFamily("streamer_relay_rtt_seconds", "Round trip to the destination", labels=_LABELS)
        lag = GaugeMetricFamily(
            "streamer_relay_lag_seconds", "Age of the oldest that has not arrived yet", labels=_LABELS
        )
        queued = GaugeMetricFamily("streamer_relay_queued_bytes", "Wait in the server", labels=_LABELS)
        unacknowledged = GaugeMetricFamily(
            "streamer_relay_unacknowledged_bytes", "Are on the way, or wait in the kernel", labels=_LABELS
        )
        viewers = GaugeMetricFamily(
            "streamer_relay_viewers", "Who watches at the platform, where it tells", labels=_LABELS
        )
        totals = {
            "bytes_sent": CounterMetricFamily(
                "streamer_relay_sent_bytes", "Of this broadcast", labels=_LABELS
            ),
            "pictures_sent": CounterMetricFamily(
                "streamer_relay_pictures_sent", "Pictures of this broadcast", labels=_LABELS
            ),
            "pictures_dropped": CounterMetricFamily(
                "streamer_relay_pictures_dropped", "Left out, as the network was too slow", labels=_LABELS
            ),
        }
        reconnects = CounterMetricFamily(
            "streamer_relay_reconnects", "Connections lost since the start", labels=_LABELS
        )
        for relay in self._relays:
            label, sent = [relay.stream.name, relay.destination.name], relay.statistics
            for each in State:
                state.add_metric([*label, each.value], float(relay.state is each))
            live.add_metric(label, float(relay.state.is_on_air))
            bitrate.add_metric(label, sent.bitrate_bps)
            lag.add_metric(label, sent.lag_s)
            queued.add_metric(label, sent.queued_bytes)
            if sent.unacknowledged_bytes is not None:
                unacknowledged.add_metric(label, sent.unacknowledged_bytes)
            if sent.rtt_ms is not None:
                rtt.add_metric(label, sent.rtt_ms / 1000)
            if relay.health is not None and relay.health.viewers is not None:
                viewers.add_metric(label, relay.health.viewers)
            for name, metric in totals.items():
                metric.add_metric(label, getattr(sent, name))
            reconnects.add_metric(label, relay.machine.reconnects)
        yield from (state, live, bitrate, rtt, lag, queued, unacknowledged, viewers)
        yield from (*totals.values(), reconnects)
