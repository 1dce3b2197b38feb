"""Analytics: audiences now and in the past, for who manages a stream."""

from __future__ import annotations

import asyncio
import csv
import io
import math
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from streamer.engagement.audience import ALL, Audience, Live
from streamer.engagement.beacons import Beacons, NoSuchSession, TooOften
from streamer.engagement.collector import Collector
from streamer.engagement.disclosure import Disclosure, Tellable
from streamer.engagement.queries import Queries, Summary
from streamer.engagement.session import Report
from streamer.hub.registry import Registry
from streamer.hub.stream import State
from streamer.web import analytics_models as models
from streamer.web.access import Access
from streamer.web.inputs import read_body, read_query
from streamer.web.operations import Operation
from streamer.web.problems import Problem

_ROOT = "/api/v1/analytics"
_NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9._-]")
_DAY_S = 86_400.0
_LONGEST_S = 10 * 366 * _DAY_S
_TELL_EVERY_S = 1.0
# So that proxies, and a browser that is gone, are noticed.
_TELL_AT_LEAST_S = 15.0
# Few enough that nobody waits for the event loop meanwhile.
_PAGE = 200
_MOST_BEACON_BYTES = 4096


@dataclass(frozen=True)
class Insight:
    """What is known of audiences.

    Attributes:
        live: every stream's audience now, on all machines.
        unique_today: different viewers of a stream today; None when that is not known.
        platform_viewers: who watches a stream elsewhere, by relay.
    """

    audience: Audience
    collector: Collector
    queries: Queries
    beacons: Beacons
    disclosure: Disclosure
    live: Callable[[], dict[str, Live]]
    unique_today: Callable[[str], int | None] = lambda stream: None
    platform_viewers: Callable[[str], dict[str, int]] = lambda stream: {}


class Analytics:
    """The handlers."""

    def __init__(self, registry: Registry, access: Access, insight: Insight) -> None:
        self._registry = registry
        self._access = access
        self._insight = insight

    def operations(self) -> list[Operation]:
        """What to route where."""
        one = _ROOT + "/streams/{name}"
        return [
            Operation(
                "GET",
                f"{_ROOT}/live",
                self.live,
                "Who watches now, of every stream that the asker manages",
                returns=models.LiveAudiences,
                needs="manage",
            ),
            Operation(
                "GET",
                f"{_ROOT}/live/events",
                self.events,
                "The same as server-sent events, whenever it changes",
                content="text/event-stream",
                needs="manage",
            ),
            Operation(
                "POST",
                f"{_ROOT}/beacon/{{session}}",
                self.beacon,
                "What a player says about its session; the session is the last part of WHEP's Location",
                {
                    204: "Taken note; Retry-After tells after how many seconds to report again",
                    404: "No such session, or it is not followed",
                    429: "Sooner than a second after the one before",
                },
                takes=models.BeaconBody,
            ),
            Operation(
                "GET",
                f"{_ROOT}/streams",
                self.streams,
                "Every stream that was watched in a span of time",
                query=models.SpanQuery,
                returns=models.StreamTotals,
                needs="manage",
            ),
            Operation(
                "GET",
                f"{_ROOT}/summary",
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
            Operation(
                "GET",
                f"{one}/sessions",
                self.sessions,
                "Viewing sessions that ended in a span of time",
                query=models.SessionsQuery,
                returns=models.SessionsModel,
                needs="manage",
            ),
            Operation(
                "GET",
                f"{one}/export",
                self.export,
                "All viewing sessions of a span of time, as CSV or JSON lines",
                query=models.ExportQuery,
                content="text/csv, application/jsonl",
                needs="manage",
            ),
        ]

    async def live(self, request: web.Request) -> web.Response:
        """Who watches now."""
        if not self._managed(request):
            # Says why, or that there is nothing to manage.
            await self._access.require_manage(request, "")
        return _json(self._live(request))

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Who watches now, again and again."""
        if not self._managed(request):
            await self._access.require_manage(request, "")
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        told, told_at = "", time.monotonic()
        while request.transport is not None and not request.transport.is_closing():
            now = time.monotonic()
            # Looked at anew each time: what is managed can end while it is listened to.
            if not self._managed(request):
                break
            audiences = self._live(request)
            text = audiences.model_dump_json(exclude={"at"})
            try:
                if text != told:
                    await response.write(f"event: live\ndata: {audiences.model_dump_json()}\n\n".encode())
                    told, told_at = text, now
                elif now - told_at > _TELL_AT_LEAST_S:
                    await response.write(b": still here\n\n")
                    told_at = now
            except (ConnectionError, RuntimeError):
                break
            await asyncio.sleep(_TELL_EVERY_S)
        return response

    async def beacon(self, request: web.Request) -> web.Response:
        """What a player says."""
        if request.content_length is None or request.content_length > _MOST_BEACON_BYTES:
            raise Problem(413, "too_large", f"expected at most {_MOST_BEACON_BYTES} bytes, and a length")
        body = await read_body(request, models.BeaconBody)
        report = Report(**body.model_dump(exclude={"last"}))
        try:
            self._insight.beacons.take(request.match_info["session"], report, last=body.last)
        except NoSuchSession as error:
            raise Problem(404, "no_such_session", str(error)) from None
        except TooOften as error:
            raise Problem(429, "too_often", str(error), self._next_report()) from None
        return web.Response(status=204, headers=self._next_report())

    def _next_report(self) -> dict[str, str]:
        return {"Retry-After": str(self._insight.beacons.pause_s)}

    async def streams(self, request: web.Request) -> web.Response:
        """What was watched."""
        managed = self._managed(request)
        if not managed:
            await self._access.require_manage(request, "")
        start, end = _span(read_query(request, models.SpanQuery))
        await self._insight.collector.settle()
        everything = self._access.may_manage(request, "")
        found = await self._insight.queries.streams(start, end)
        return _json(
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
        await self._access.require_manage(request, "")
        return await self._summary(request, ALL)

    async def stream(self, request: web.Request) -> web.Response:
        """One stream."""
        return await self._summary(request, await self._name(request))

    async def series(self, request: web.Request) -> web.Response:
        """One stream over time."""
        name = await self._name(request)
        start, end = _span(read_query(request, models.SpanQuery))
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
        return _json(models.SeriesModel(stream=name, step_seconds=series.step_s, points=points))

    async def breakdown(self, request: web.Request) -> web.Response:
        """One stream by a dimension."""
        name = await self._name(request)
        query = read_query(request, models.BreakdownQuery)
        start, end = _span(query)
        await self._insight.collector.settle()
        found = await self._insight.disclosure.breakdown(name, query.by, start, end)
        return _json(
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

    async def sessions(self, request: web.Request) -> web.Response:
        """Single sessions."""
        name = await self._name(request)
        query = read_query(request, models.SessionsQuery)
        start, end = _span(query)
        await self._insight.collector.settle()
        found = await self._insight.queries.sessions(
            name, start, end, before=_before(query.before), limit=query.limit
        )
        follow = f"{found[-1]['ended_at']!r}:{found[-1]['id']}" if len(found) == query.limit else ""
        shown = [_session(each) for each in await self._insight.disclosure.blur(found)]
        return _json(models.SessionsModel(sessions=shown, next=follow))

    async def export(self, request: web.Request) -> web.StreamResponse:
        """All sessions, as a file."""
        name = await self._name(request)
        query = read_query(request, models.ExportQuery)
        start, end = _span(query)
        await self._insight.collector.settle()
        # Who manages everything may ask for any name, also for one that no header can carry.
        file_name = f"{_NOT_IN_FILE_NAMES.sub('_', name)}-sessions.{query.format}"
        kind = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}[query.format]
        response = web.StreamResponse(
            headers={
                "Content-Type": kind,
                "Content-Disposition": f'attachment; filename="{file_name}"',
                "Cache-Control": "no-store",
            }
        )
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        if query.format == "csv":
            await response.write(_csv([models.SessionModel.model_fields.keys()]))
        async for page in self._pages(name, start, end):
            if query.format == "csv":
                await response.write(_csv(each.model_dump().values() for each in page))
            else:
                await response.write("".join(f"{each.model_dump_json()}\n" for each in page).encode())
        await response.write_eof()
        return response

    async def _pages(self, name: str, start: float, end: float) -> AsyncIterator[list[models.SessionModel]]:
        before: tuple[float, str] | None = None
        known: Tellable = {}
        while True:
            found = await self._insight.queries.sessions(name, start, end, before=before, limit=_PAGE)
            if not found:
                return
            before = found[-1]["ended_at"], found[-1]["id"]
            yield [_session(each) for each in await self._insight.disclosure.blur(found, known)]

    async def _summary(self, request: web.Request, name: str) -> web.Response:
        start, end = _span(read_query(request, models.SpanQuery))
        await self._insight.collector.settle()
        return _json(_analytics(name, await self._insight.queries.summary(name, start, end)))

    def _managed(self, request: web.Request) -> set[str]:
        """Names of the streams that the asker manages."""
        if self._access.may_manage(request, ""):
            return {stream.name for stream in self._registry} | {ALL}
        return {stream.name for stream in self._registry if self._access.may_manage(request, stream.name)}

    async def _name(self, request: web.Request) -> str:
        """The stream asked for; who manages everything may also ask for one that is no more."""
        name = request.match_info["name"]
        await self._access.require_manage(request, name)
        # One with a NUL never was any; PostgreSQL does not take it.
        if "\0" in name or not self._access.may_manage(request, ""):
            self._registry.find(name)
        return name

    def _live(self, request: web.Request) -> models.LiveAudiences:
        audiences = self._insight.live()
        managed = self._managed(request)
        shown = []
        for stream in self._registry:
            if stream.name not in managed or not stream.config.analytics:
                continue
            live = audiences.get(stream.name, Live(0, 0, math.nan))
            shown.append(
                models.LiveAudience(
                    name=stream.name,
                    title=stream.config.title,
                    live=stream.state is State.LIVE,
                    viewers=live.viewers,
                    peak_viewers=live.peak,
                    unique_viewers_today=self._insight.unique_today(stream.name),
                    quality=None if math.isnan(live.quality) else round(live.quality, 1),
                    platform_viewers=self._insight.platform_viewers(stream.name),
                )
            )
        return models.LiveAudiences(
            streams=shown, viewers=sum(each.viewers for each in shown), at=round(time.time(), 3)
        )


def _span(query: models.SpanQuery) -> tuple[float, float]:
    end = query.to if query.to is not None else time.time()
    start = query.from_ if query.from_ is not None else max(0.0, end - _DAY_S)
    if not 0 < end - start <= _LONGEST_S:
        raise Problem(
            400, "bad_request", "from: expected a time before `to`, and at most ten years before it"
        )
    return start, end


def _before(text: str) -> tuple[float, str] | None:
    at, _, id = text.partition(":")
    try:
        return (float(at), id) if text else None
    except ValueError:
        raise Problem(400, "bad_request", "before: expected `next` of an answer") from None


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


def _session(row: dict[str, Any]) -> models.SessionModel:
    return models.SessionModel(**{name: row[name] for name in models.SessionModel.model_fields})


def _csv(rows: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _json(model: BaseModel) -> web.Response:
    return web.json_response(text=model.model_dump_json(by_alias=True), headers={"Cache-Control": "no-store"})
