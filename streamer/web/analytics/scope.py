"""Which streams somebody may ask about, and which spans of time."""

from __future__ import annotations

import time

from aiohttp import web

from streamer.engagement.audience import ALL
from streamer.hub.registry import Registry
from streamer.web.access import Access
from streamer.web.analytics import models
from streamer.web.problems import Problem

#: Before all paths.
ROOT = "/api/v1/analytics"
_DAY_S = 86_400.0
_LONGEST_S = 10 * 366 * _DAY_S


class Scope:
    """What of the registry an asker manages."""

    def __init__(self, registry: Registry, access: Access) -> None:
        self.registry = registry
        self._access = access

    def managed(self, request: web.Request) -> set[str]:
        """Names of the streams that the asker manages."""
        if self.is_all(request):
            return {stream.name for stream in self.registry} | {ALL}
        return {stream.name for stream in self.registry if self._access.may_manage(request, stream.name)}

    async def require_any(self, request: web.Request) -> set[str]:
        """As `managed`, for those who manage something.

        Raises:
            AuthError: he manages nothing; says why.
        """
        managed = self.managed(request)
        if not managed:
            # Says why, or that there is nothing to manage.
            await self.require_all(request)
        return managed

    async def name(self, request: web.Request) -> str:
        """The stream asked for; who manages everything may also ask for one that is no more.

        Raises:
            AuthError: it is not his to ask about.
            NoSuchStream: there is none.
        """
        name = request.match_info["name"]
        await self._access.require_manage(request, name)
        # One with a NUL never was any; PostgreSQL does not take it.
        if "\0" in name or not self.is_all(request):
            self.registry.find(name)
        return name

    def is_all(self, request: web.Request) -> bool:
        """Whether the asker manages everything."""
        return self._access.may_manage(request, "")

    async def require_all(self, request: web.Request) -> None:
        """Let only those through who manage everything.

        Raises:
            AuthError: anybody else.
        """
        await self._access.require_manage(request, "")


def span(query: models.SpanQuery) -> tuple[float, float]:
    """From when to when, seconds since 1970: the last day unless it is said.

    Raises:
        Problem: no such span.
    """
    end = query.to if query.to is not None else time.time()
    start = query.from_ if query.from_ is not None else max(0.0, end - _DAY_S)
    if not 0 < end - start <= _LONGEST_S:
        raise Problem(
            400, "bad_request", "from: expected a time before `to`, and at most ten years before it"
        )
    return start, end
