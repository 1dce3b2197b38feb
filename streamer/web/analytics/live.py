"""Who watches now, and what players say."""

from __future__ import annotations

import asyncio
import math
import time

from aiohttp import web

from streamer.engagement.audience import Live
from streamer.engagement.beacons import NoSuchSession, TooOften
from streamer.engagement.session import Report
from streamer.hub.stream import State
from streamer.web.analytics import models
from streamer.web.analytics.insight import Insight
from streamer.web.analytics.scope import ROOT, Scope
from streamer.web.answers import answer
from streamer.web.inputs import read_body
from streamer.web.operations import Operation
from streamer.web.problems import Problem

_TELL_EVERY_S = 1.0
# So that proxies, and a browser that is gone, are noticed.
_TELL_AT_LEAST_S = 15.0
_MOST_BEACON_BYTES = 4096


class LiveFace:
    """The handlers."""

    def __init__(self, scope: Scope, insight: Insight) -> None:
        self._scope = scope
        self._insight = insight

    def operations(self) -> list[Operation]:
        """What to route where."""
        return [
            Operation(
                "GET",
                f"{ROOT}/live",
                self.live,
                "Who watches now, of every stream that the asker manages",
                returns=models.LiveAudiences,
                needs="manage",
            ),
            Operation(
                "GET",
                f"{ROOT}/live/events",
                self.events,
                "The same as server-sent events, whenever it changes",
                content="text/event-stream",
                needs="manage",
            ),
            Operation(
                "POST",
                f"{ROOT}/beacon/{{session}}",
                self.beacon,
                "What a player says about its session; the session is the last part of WHEP's Location",
                {
                    204: "Taken note; Retry-After tells after how many seconds to report again",
                    404: "No such session, or it is not followed",
                    429: "Sooner than a second after the one before",
                },
                takes=models.BeaconBody,
            ),
        ]

    async def live(self, request: web.Request) -> web.Response:
        """Who watches now."""
        await self._scope.require_any(request)
        return answer(self._live(request))

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Who watches now, again and again."""
        await self._scope.require_any(request)
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
            if not self._scope.managed(request):
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

    def _live(self, request: web.Request) -> models.LiveAudiences:
        audiences = self._insight.live()
        managed = self._scope.managed(request)
        shown = []
        for stream in self._scope.registry:
            if stream.name not in managed or not stream.config.analytics:
                continue
            live = audiences.get(stream.name, Live(0, 0, math.nan))
            shown.append(
                models.LiveAudience(
                    name=stream.name,
                    title=stream.config.title,
                    live=stream.state is State.LIVE or stream.is_elsewhere,
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
