"""Metrics for Prometheus, collected when asked for. Labels are stream names only: their number is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from streamer.egress.webrtc import WebRtcEgress
from streamer.hub.registry import Registry
from streamer.hub.stream import State
from transport.plane.delays import BUCKETS, UNIT_S, Counts, edge_s


def make_registry(
    registry: Registry, egress: WebRtcEgress, worst_loop_lag_s: Callable[[], float]
) -> CollectorRegistry:
    """Everything `/metrics` shows: the process, the event loop and every stream."""
    prometheus = CollectorRegistry()
    ProcessCollector(registry=prometheus)
    PlatformCollector(registry=prometheus)
    GCCollector(registry=prometheus)
    prometheus.register(_Streams(registry, egress, worst_loop_lag_s))
    return prometheus


class _Streams(Collector):
    def __init__(
        self, registry: Registry, egress: WebRtcEgress, worst_loop_lag_s: Callable[[], float]
    ) -> None:
        self._registry = registry
        self._egress = egress
        self._worst_loop_lag_s = worst_loop_lag_s

    def describe(self) -> list[Metric]:
        """Nothing fixed: prometheus-client would otherwise collect once at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "streamer_event_loop_lag_seconds",
            "How late the event loop ran what was due, worst since the last scrape",
            value=self._worst_loop_lag_s(),
        )
        yield _send_delay(self._egress.plane.send_delays())
        yield from self._ingest()
        yield from self._whip()
        yield from self._viewers()

    def _ingest(self) -> Iterator[Metric]:
        live = GaugeMetricFamily("streamer_stream_live", "1 while somebody publishes", labels=["stream"])
        bitrate = GaugeMetricFamily(
            "streamer_stream_bitrate_bps", "Bits per second from the publisher", labels=["stream"]
        )
        fps = GaugeMetricFamily("streamer_stream_fps", "Pictures per second", labels=["stream"])
        interval = GaugeMetricFamily(
            "streamer_stream_keyframe_interval_seconds", "Between the last two keyframes", labels=["stream"]
        )
        received = CounterMetricFamily(
            "streamer_stream_received_bytes", "From the present publisher", labels=["stream"]
        )
        jumps = CounterMetricFamily(
            "streamer_stream_timestamp_jumps", "Jumps of the publisher's clock", labels=["stream"]
        )
        lost = CounterMetricFamily(
            "streamer_srt_packets_lost", "Packets the SRT link lost, before repair", labels=["stream"]
        )
        dropped = CounterMetricFamily(
            "streamer_srt_packets_dropped", "Packets that came too late to be used", labels=["stream"]
        )
        rtt = GaugeMetricFamily("streamer_srt_rtt_seconds", "Round trip of the SRT link", labels=["stream"])
        for stream in self._registry:
            label = [stream.name]
            live.add_metric(label, float(stream.state is State.LIVE))
            bitrate.add_metric(label, stream.meter.bitrate_bps)
            fps.add_metric(label, stream.meter.fps)
            interval.add_metric(label, stream.meter.keyframe_interval_s)
            received.add_metric(label, stream.meter.bytes)
            jumps.add_metric(label, stream.timeline_jumps)
            publisher = stream.publisher
            link = publisher.describe().get("srt") if publisher is not None else None
            if isinstance(link, dict) and link:
                lost.add_metric(label, link["packets_lost"])
                dropped.add_metric(label, link["packets_dropped"])
                rtt.add_metric(label, link["rtt_ms"] / 1000)
        yield from (live, bitrate, fps, interval, received, jumps, lost, dropped, rtt)

    def _whip(self) -> Iterator[Metric]:
        counters = {
            "lost": CounterMetricFamily(
                "streamer_whip_packets_lost", "Packets of a WebRTC publisher given up", labels=["stream"]
            ),
            "recovered": CounterMetricFamily(
                "streamer_whip_packets_recovered", "Packets that came late, or sent again", labels=["stream"]
            ),
            "dropped": CounterMetricFamily(
                "streamer_whip_packets_dropped", "Packets that found no room here", labels=["stream"]
            ),
            "damaged": CounterMetricFamily(
                "streamer_whip_units_damaged", "Pictures and sounds given up", labels=["stream"]
            ),
        }
        jitter = GaugeMetricFamily(
            "streamer_whip_jitter_seconds", "Of what a WebRTC publisher sends", labels=["stream"]
        )
        for stream in self._registry:
            publisher = stream.publisher
            link = publisher.describe().get("webrtc") if publisher is not None else None
            if isinstance(link, dict):
                for name, counter in counters.items():
                    counter.add_metric([stream.name], link[name])
                jitter.add_metric([stream.name], link["jitter_ms"] / 1000)
        yield from (*counters.values(), jitter)

    def _viewers(self) -> Iterator[Metric]:
        viewers = GaugeMetricFamily("streamer_viewers", "Viewers now", labels=["stream"])
        totals = {
            "packets_sent": CounterMetricFamily(
                "streamer_viewer_packets_sent", "Media packets to viewers", labels=["stream"]
            ),
            "bytes_sent": CounterMetricFamily(
                "streamer_viewer_bytes_sent", "Bytes to viewers", labels=["stream"]
            ),
            "packets_dropped": CounterMetricFamily(
                "streamer_viewer_packets_dropped", "Packets a full socket refused", labels=["stream"]
            ),
            "retransmitted": CounterMetricFamily(
                "streamer_viewer_packets_retransmitted", "Packets sent again on request", labels=["stream"]
            ),
            "rtx_refused": CounterMetricFamily(
                "streamer_viewer_retransmissions_refused",
                "Packets asked for and not sent again: too old, or more than a viewer's share",
                labels=["stream"],
            ),
            "nacks": CounterMetricFamily(
                "streamer_viewer_nacks", "Packets viewers asked for again", labels=["stream"]
            ),
            "plis": CounterMetricFamily(
                "streamer_viewer_keyframe_requests", "Keyframes viewers asked for", labels=["stream"]
            ),
        }
        reduced = GaugeMetricFamily(
            "streamer_viewers_reduced",
            "Viewers who get a smaller picture, as their lines do not carry the full one",
            labels=["stream"],
        )
        fraction = GaugeMetricFamily(
            "streamer_viewer_loss_ratio", "Mean of what viewers last reported lost, 0-1", labels=["stream"]
        )
        sums = self._egress.totals()
        for stream in self._registry:
            label = [stream.name]
            viewers.add_metric(label, self._egress.count(stream))
            row = sums.get(stream.name, {})
            for name, metric in totals.items():
                metric.add_metric(label, row.get(name, 0))
            reduced.add_metric(label, row.get("reduced", 0))
            fraction.add_metric(label, row.get("loss_ratio", 0.0))
        yield viewers
        yield reduced
        yield from totals.values()
        yield fraction


def _send_delay(counts: Counts) -> HistogramMetricFamily:
    # Every octave of the plane's finer buckets is enough for a histogram that is kept for months.
    octaves = [*range(0, BUCKETS - 1, 8), BUCKETS - 1]
    below = [int(counts[: number + 1].sum()) for number in octaves]
    buckets = [
        ("+Inf" if number == octaves[-1] else f"{edge_s(number):g}", float(count))
        for number, count in zip(octaves, below, strict=True)
    ]
    middles = [UNIT_S * 2 ** ((number - 0.5) / 8) for number in range(BUCKETS)]
    return HistogramMetricFamily(
        "streamer_send_delay_seconds",
        "From an access unit's writing until all its viewers' packets are with the kernel",
        buckets=buckets,
        sum_value=float(sum(count * middle for count, middle in zip(counts, middles, strict=True))),
    )
