"""Audiences of the past, summed up."""

from __future__ import annotations

from aiohttp import web

from streamer.engagement.audience import ALL
from streamer.engagement.queries import Summary
from streamer.web.analytics import models
from streamer.web.analytics.insight import Insight
from streamer.web.analytics.scope import ROOT, Scope, span
from streamer.web.answers import answer
from streamer.web.inputs import read_query
from streamer.web.operations import Operation


class HistoryFace:
    """The handlers."""

    def __init__(self, scope: Scope, insight: Insight) -> None:
        self._scope = scope
        self._insight = insight

    def operations(self) -> list[Operation]:
        """What to route where."""
        one = ROOT + "/streams/{name}"
        return [
            Operation(
                "GET",
                f"{ROOT}/streams",
                self.streams,
                "Every stream that was watched in a span of time",
                query=models.SpanQuery,
                returns=models.StreamTotals,
                needs="manage",
            ),
            Operation(
                "GET",
                f"{ROOT}/summary",
                self.summary,
                "The audience of all streams together in a span of time",
                query=models.SpanQuery,
                returns=models.StreamAnalytics,
                needs="manage",
            ),
            Operation(
                "GET",
                one,
                self.stream,
                "The audience of a stream in a span of time",
                query=models.SpanQuery,
                returns=models.StreamAnalytics,
                needs="manage",
            ),
            Operation(
                "GET",
                f"{one}/series",
                self.series,
                "The audience of a stream over time",
                query=models.SpanQuery,
                returns=models.SeriesModel,
                needs="manage",
            ),
            Operation(
                "GET",
                f"{one}/breakdown",
                self.breakdown,
                "The audience of a stream by one of its properties, in whole days (UTC)",
                query=models.BreakdownQuery,
                returns=models.BreakdownModel,
                needs="manage",
            ),
        ]

    async def streams(self, request: web.Request) -> web.Response:
        """What was watched."""
        managed = await self._scope.require_any(request)
        start, end = span(read_query(request, models.SpanQuery))
        await self._insight.collector.settle()
        everything = self._scope.is_all(request)
        found = await self._insight.queries.streams(start, end)
        return answer(
            models.StreamTotals(
                streams=[
                    models.StreamTotal(
                        name=each["stream"],
                        plays=each["plays"],
                        watch_seconds=each["watch_s"],
                        peak_viewers=each["peak"],
                        bytes=round(each["bytes"]),
                    )
                    for each in found
                    if everything or each["stream"] in managed
                ]
            )
        )

    async def summary(self, request: web.Request) -> web.Response:
        """All streams together."""
        await self._scope.require_all(request)
        return await self._summary(request, ALL)

    async def stream(self, request: web.Request) -> web.Response:
        """One stream."""
        return await self._summary(request, await self._scope.name(request))

    async def series(self, request: web.Request) -> web.Response:
        """One stream over time."""
        name = await self._scope.name(request)
        start, end = span(read_query(request, models.SpanQuery))
        await self._insight.collector.settle()
        series = await self._insight.queries.series(name, start, end)
        points = [
            models.SeriesPoint(
                at=each.at,
                viewers=round(each.viewers, 3),
                peak_viewers=each.peak,
                plays=each.plays,
                bytes=round(each.bytes),
                quality=each.quality,
            )
            for each in series.moments
        ]
        return answer(models.SeriesModel(stream=name, step_seconds=series.step_s, points=points))

    async def breakdown(self, request: web.Request) -> web.Response:
        """One stream by a dimension."""
        name = await self._scope.name(request)
        query = read_query(request, models.BreakdownQuery)
        start, end = span(query)
        await self._insight.collector.settle()
        found = await self._insight.disclosure.breakdown(name, query.by, start, end)
        return answer(
            models.BreakdownModel(
                stream=name,
                by=query.by,
                from_=found.start,
                to=found.end,
                threshold=self._insight.disclosure.threshold,
                shares=[
                    models.ShareModel(
                        value=part.value,
                        plays=part.plays,
                        viewers=part.viewers,
                        watch_seconds=part.watch_s,
                        bytes=round(part.bytes),
                    )
                    for part in found.parts
                ],
                withheld=found.withheld,
            )
        )

    async def _summary(self, request: web.Request, name: str) -> web.Response:
        start, end = span(read_query(request, models.SpanQuery))
        await self._insight.collector.settle()
        return answer(_analytics(name, await self._insight.queries.summary(name, start, end)))


def _analytics(name: str, found: Summary) -> models.StreamAnalytics:
    numbers = found.numbers
    plays, watch_s = int(numbers["plays"]), numbers["watch_s"]
    starts = {f"p{share}": value for share, value in found.starts_ms.items()}
    return models.StreamAnalytics(
        stream=name,
        from_=found.start,
        to=found.end,
        plays=plays,
        failed=int(numbers["failed"]),
        unique_viewers=found.unique_viewers,
        peak_viewers=found.peak,
        average_viewers=watch_s / max(1, found.end - found.start),
        watch_seconds=watch_s,
        average_watch_seconds=watch_s / plays if plays else 0.0,
        join_ms_p50=found.starts_ms[50],
        join_ms_p95=found.starts_ms[95],
        join_ms=models.Percentiles(**starts),
        quality=found.quality,
        quality_percentiles=models.Percentiles(
            **{f"p{share}": value for share, value in found.qualities.items()}
        ),
        quality_histogram=found.histogram,
        bytes=round(numbers["bytes"]),
        packets=round(numbers["packets"]),
        packets_lost=round(numbers["lost"]),
        packets_retransmitted=round(numbers["retransmitted"]),
        nacks=round(numbers["nacks"]),
        plis=round(numbers["plis"]),
        loss_ratio=_ratio(numbers["lost"], numbers["packets"]) or 0.0,
        rtt_ms=_ratio(numbers["rtt_ms_s"], numbers["rtt_s"]),
        jitter_ms=_ratio(numbers["jitter_ms_s"], numbers["rtt_s"]),
        frozen_seconds=numbers["frozen_s"],
        freezes=round(numbers["freezes"]),
        frames_decoded=round(numbers["decoded"]),
        frames_dropped=round(numbers["dropped"]),
        audible_seconds=numbers["audible_s"],
        visible_seconds=numbers["visible_s"],
        buffer_ms=_ratio(numbers["buffer_ms_s"], numbers["visible_s"]),
        retention=[
            models.RetentionPoint(seconds=point.seconds, share=round(point.share, 5))
            for point in found.retention
        ],
    )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
