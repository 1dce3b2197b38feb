"""Metrics of what is recorded."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streamer.hub.registry import Registry
from streamer.recording.recordings import Recordings


class RecordingCollector(Collector):
    """What is written of each stream that is to be recorded, and whether it can be."""

    def __init__(self, registry: Registry, recordings: Recordings) -> None:
        self._registry = registry
        self._recordings = recordings

    def describe(self) -> list[Metric]:
        """Nothing fixed, as for all collectors here."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All streams that are to be recorded, the configuration's order."""
        active = GaugeMetricFamily("streamer_recording_active", "1 while one is written", labels=["stream"])
        problem = GaugeMetricFamily(
            "streamer_recording_problem", "1 while not everything is recorded that comes", labels=["stream"]
        )
        written = CounterMetricFamily(
            "streamer_recording_bytes", "Written into recordings", labels=["stream"]
        )
        skipped = CounterMetricFamily(
            "streamer_recording_units_skipped",
            "Pictures and sounds left out, as the disk or the machine was too slow",
            labels=["stream"],
        )
        for stream in self._registry:
            state = self._recordings.state(stream)
            if state is not None:
                label = [stream.name]
                active.add_metric(label, float(bool(state.id)))
                problem.add_metric(label, float(bool(state.problem)))
                written.add_metric(label, state.written)
                skipped.add_metric(label, state.skipped)
        yield from (active, problem, written, skipped)
        yield GaugeMetricFamily(
            "streamer_recording_free_bytes",
            "Of the disk that recordings are on, when it was looked last; 0 before the first",
            value=self._recordings.room.free,
        )
