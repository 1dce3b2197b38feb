"""A live video on a Facebook page or profile.

`prepare` makes it unpublished: nobody sees it before media arrives and `went_live` publishes it. Its address
must be used within 24 hours, and a live video ends after eight; a relay that goes on begins another one.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from streamer.relay.platforms.broadcast import Announcement, Health, HealthState, Ingest, Traits
from streamer.relay.platforms.errors import PlatformError
from streamer.relay.platforms.facebook_api import FacebookApi

LONGEST_S = 8 * 3600.0
TRAITS = Traits(
    "Facebook",
    max_duration_s=LONGEST_S,
    max_keyframe_interval_s=4.0,
    max_video_bps=9_000_000,
)
_URL_LIFETIME_S = 24 * 3600.0
_SOONEST_S, _LATEST_S = 600.0, 7 * 86_400.0
_MAX_TITLE, _MAX_DESCRIPTION = 255, 5000
_PRIVACY = {"public": "EVERYONE", "unlisted": "ALL_FRIENDS", "private": "SELF"}
_FIELDS = "id,status,secure_stream_url,permalink_url"
_WAITING = frozenset({"UNPUBLISHED", "SCHEDULED_UNPUBLISHED", "SCHEDULED_LIVE"})
_LIVE_WITHIN_S = 90.0
_LOOKS_S = (1.0, 2.0, 3.0, 5.0)
# 200 calls an hour and user is what every app has; one look is one call.
_AGAIN_S, _AGAIN_SOON_S = 30.0, 20.0
_LONGEST_GOP_MS = 4000

Sleep = Callable[[float], Awaitable[None]]


class FacebookBroadcast:
    """One live video.

    Args:
        api: of the page or profile.
        announcement: what is to be broadcast.
        clock: seconds since 1970.
        sleep: between two looks.
    """

    traits = TRAITS

    def __init__(
        self,
        api: FacebookApi,
        announcement: Announcement,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._api = api
        self._announcement = announcement
        self._clock = clock
        self._sleep = sleep
        self.id = ""

    async def prepare(self) -> Ingest:
        """Make it, unpublished."""
        access = await self._api.access()
        told = self._announcement
        form = {
            "title": told.title[:_MAX_TITLE],
            "description": told.description[:_MAX_DESCRIPTION],
            # A push that ends in good order ends the video otherwise, and a relay pushes again.
            "stop_on_delete_stream": "false",
            "fields": _FIELDS,
        }
        if not access.page:
            form["privacy"] = json.dumps({"value": _PRIVACY[told.privacy]})
        elif told.privacy != "public":
            raise PlatformError(
                "unsupported",
                f"a Facebook page can broadcast to everybody only; expected public, not {told.privacy}",
            )
        ahead_s = (told.starts_at or 0.0) - self._clock()
        if ahead_s > _LATEST_S:
            raise PlatformError("bad_schedule", "Facebook takes a start at most seven days ahead")
        if ahead_s >= _SOONEST_S:
            form["status"] = "SCHEDULED_UNPUBLISHED"
            form["event_params"] = json.dumps({"start_time": int(told.starts_at or 0)})
        else:
            form["status"] = "UNPUBLISHED"
        made = await self._api.post(f"{access.acts_as}/live_videos", form)
        self.id = str(made.get("id", ""))
        return self._ingest(made, self._clock() + _URL_LIFETIME_S)

    async def resume(self, id: str) -> Ingest:
        """Find it again."""
        self.id = id if id.isascii() and id.isdigit() else "0"
        found = await self._api.get(self.id, fields=_FIELDS)
        status = str(found.get("status", ""))
        if status != "LIVE" and status not in _WAITING:
            raise PlatformError("over", "the live video has ended on Facebook")
        return self._ingest(found, None)

    async def went_live(self) -> None:
        """Publish it."""
        begun = self._clock()
        status = await self._status()
        if status in _WAITING:
            await self._api.post(self.id, {"status": "LIVE_NOW"})
        for number in range(1_000_000):
            status = await self._status()
            if status == "LIVE":
                return
            if self._clock() - begun >= _LIVE_WITHIN_S:
                why = "; ".join(await self._errors())
                raise PlatformError(
                    "not_live", f"Facebook does not show the live video: {why or status}", retryable=True
                )
            await self._sleep(_LOOKS_S[min(number, len(_LOOKS_S) - 1)])

    async def health(self) -> Health:
        """What arrives, who watches, and how long it may still go on."""
        fields = "status,live_views,seconds_left,permalink_url,ingest_streams{stream_health}"
        found = await self._api.get(self.id, fields=fields)
        status = str(found.get("status", ""))
        link = _link(found)
        if status in _WAITING:
            return Health(HealthState.WAITING, again_s=_AGAIN_SOON_S, watch_url=link)
        if status != "LIVE":
            return Health(
                HealthState.ENDED, (f"the live video has ended on Facebook ({status})",), watch_url=link
            )
        viewers, left = found.get("live_views"), found.get("seconds_left")
        state, issues = _judge(found)
        if state is HealthState.BAD:
            issues = (*issues, *await self._errors())
        return Health(
            state,
            issues,
            viewers if isinstance(viewers, int) else None,
            _AGAIN_S if state is HealthState.GOOD else _AGAIN_SOON_S,
            link,
            self._clock() + left if isinstance(left, int | float) and left > 0 else None,
        )

    async def end(self) -> None:
        """End it; one that nobody has seen is deleted."""
        if not self.id:
            return
        try:
            if await self._status() in _WAITING:
                await self._api.delete(self.id)
            else:
                await self._api.post(self.id, {"end_live_video": "true"})
        except PlatformError as error:
            if error.reason != "over":
                raise

    async def _status(self) -> str:
        found = await self._api.get(self.id, fields="status")
        status = str(found.get("status", ""))
        if status != "LIVE" and status not in _WAITING:
            raise PlatformError("over", "the live video has ended on Facebook")
        return status

    async def _errors(self) -> list[str]:
        entries = (await self._api.get(f"{self.id}/errors")).get("data")
        return [
            str(entry.get("error_message", ""))[:200]
            for entry in (entries if isinstance(entries, list) else ())
            if isinstance(entry, dict) and entry.get("error_message")
        ]

    def _ingest(self, found: dict[str, Any], push_by: float | None) -> Ingest:
        url, key = split_stream_url(str(found.get("secure_stream_url", "")))
        return Ingest(url, key, "", self.id, _link(found), push_by, None)


def split_stream_url(url: str) -> tuple[str, str]:
    """An address with the key behind the application, as Facebook gives it: address and key.

    Raises:
        PlatformError: it is none.
    """
    parts = urlsplit(url)
    application, _, key = parts.path.lstrip("/").partition("/")
    if parts.scheme not in ("rtmps", "rtmp") or not application or not key:
        raise PlatformError("unavailable", "Facebook has given no ingest", retryable=True)
    if parts.query:
        key = f"{key}?{parts.query}"
    return f"{parts.scheme}://{parts.netloc}/{application}", key


def _judge(found: dict[str, Any]) -> tuple[HealthState, tuple[str, ...]]:
    streams = found.get("ingest_streams")
    healths = [
        each["stream_health"]
        for each in (streams if isinstance(streams, list) else ())
        if isinstance(each, dict) and isinstance(each.get("stream_health"), dict)
    ]
    if not healths:
        return HealthState.BAD, ("nothing arrives at Facebook",)
    health, issues = healths[0], []
    gop = health.get("video_gop_size")
    if isinstance(gop, int | float) and gop > _LONGEST_GOP_MS:
        issues.append("keyframes are too far apart; set the encoder's keyframe interval to 2 s")
    return (HealthState.POOR if issues else HealthState.GOOD), tuple(issues)


def _link(found: dict[str, Any]) -> str:
    path = found.get("permalink_url")
    if not isinstance(path, str) or not path:
        return ""
    return path if path.startswith("https://") else f"https://www.facebook.com{path}"
