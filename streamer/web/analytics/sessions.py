"""Single viewing sessions, and all of them as a file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from streamer.engagement.disclosure import Tellable
from streamer.web.analytics import models
from streamer.web.analytics.insight import Insight
from streamer.web.analytics.scope import ROOT, Scope, span
from streamer.web.answers import answer
from streamer.web.inputs import read_query
from streamer.web.operations import Operation
from streamer.web.problems import Problem

_NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9._-]")
# Few enough that nobody waits for the event loop meanwhile.
_PAGE = 200


class SessionsFace:
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

    async def sessions(self, request: web.Request) -> web.Response:
        """Single sessions."""
        name = await self._scope.name(request)
        query = read_query(request, models.SessionsQuery)
        start, end = span(query)
        await self._insight.collector.settle()
        found = await self._insight.queries.sessions(
            name, start, end, before=_before(query.before), limit=query.limit
        )
        follow = f"{found[-1]['ended_at']!r}:{found[-1]['id']}" if len(found) == query.limit else ""
        shown = [_session(each) for each in await self._insight.disclosure.blur(found)]
        return answer(models.SessionsModel(sessions=shown, next=follow))

    async def export(self, request: web.Request) -> web.StreamResponse:
        """All sessions, as a file."""
        name = await self._scope.name(request)
        query = read_query(request, models.ExportQuery)
        start, end = span(query)
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


def _before(text: str) -> tuple[float, str] | None:
    at, _, id = text.partition(":")
    try:
        return (float(at), id) if text else None
    except ValueError:
        raise Problem(400, "bad_request", "before: expected `next` of an answer") from None


def _session(row: dict[str, Any]) -> models.SessionModel:
    return models.SessionModel(**{name: row[name] for name in models.SessionModel.model_fields})


def _csv(rows: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
