"""A broadcast on YouTube.

`prepare` makes a broadcast and binds an ingest to it: 101 to 153 units of quota, because an ingest of ours
that nothing uses any more is taken again. The broadcast starts by itself when the ingest gets media
(`enableAutoStart`), and never ends by itself: a publisher may be away for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from streamer.relay.platforms.broadcast import Announcement, Health, HealthState, Ingest, Traits
from streamer.relay.platforms.errors import Exhausted, PlatformError
from streamer.relay.platforms.youtube_api import RESERVE_UNITS, WRITE_UNITS, YouTubeApi
from streamer.relay.platforms.youtube_health import Asking, health_of
from transport.media import Codec

_log = logging.getLogger(__name__)

TRAITS = Traits(
    "YouTube",
    optional_codecs=frozenset({Codec.H265}),
    max_keyframe_interval_s=4.0,
    max_video_bps=51_000_000,
    has_backup=True,
)
_LATENCY = {"normal": "normal", "low": "low", "ultra-low": "ultraLow"}
#: By which an ingest of ours is known again.
_INGEST_TITLE = "Streamer"
_MAX_TITLE = 100
_MAX_DESCRIPTION = 5000
_PARTS = "id,snippet,contentDetails,status"
_OVER = frozenset({"complete", "revoked"})
_STARTED = frozenset({"testStarting", "testing", "liveStarting", "live"})
# Auto-start takes some seconds; after so long it is told.
_AUTO_START_S = 20.0
_LIVE_WITHIN_S = 120.0
_LOOKS_S = (1.0, 2.0, 3.0, 5.0)

#: Ingests that this process has taken, so that two broadcasts never share one.
Claims = set[str]
Sleep = Callable[[float], Awaitable[None]]


class YouTubeBroadcast:
    """One broadcast.

    Args:
        api: of the channel.
        announcement: what is to be broadcast.
        claims: shared by all broadcasts of the process.
        clock: seconds since 1970.
        sleep: between two looks.
    """

    traits = TRAITS

    def __init__(
        self,
        api: YouTubeApi,
        announcement: Announcement,
        claims: Claims,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._api = api
        self._announcement = announcement
        self._claims = claims
        self._clock = clock
        self._sleep = sleep
        self._broadcast_id = ""
        self._stream_id = ""
        self._asking = Asking(clock)
        self._remarks: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Both ids."""
        return f"{self._broadcast_id}:{self._stream_id}" if self._broadcast_id else ""

    async def prepare(self) -> Ingest:
        """Make it, bind an ingest, set the thumbnail."""
        left = await self._api.units_left()
        if left < RESERVE_UNITS + 3 * WRITE_UNITS:
            raise Exhausted(
                f"only {left} units of today's YouTube quota are left, too few for another broadcast",
                self._api.ledger.renews_in_s() + 60,
            )
        stream = await self._ingest()
        self._stream_id = str(stream["id"])
        try:
            made = await self._api.write("POST", "liveBroadcasts", {"part": _PARTS}, self._document())
            self._broadcast_id = str(made["id"])
            query = {"part": _PARTS, "id": self._broadcast_id, "streamId": self._stream_id}
            await self._api.write("POST", "liveBroadcasts/bind", query)
            await self._set_thumbnail()
            return self._ingest_of(stream)
        except BaseException:
            await asyncio.shield(self._undo())
            raise

    async def resume(self, id: str) -> Ingest:
        """Find it again."""
        broadcast_id, _, stream_id = id.partition(":")
        found = await self._api.list("liveBroadcasts", part="id,status", id=broadcast_id)
        if not found or _life(found[0]) in _OVER:
            raise PlatformError("over", "the broadcast has ended on YouTube")
        streams = await self._api.list("liveStreams", part="id,cdn,status", id=stream_id)
        if not streams:
            raise PlatformError("over", "the broadcast's ingest is not on YouTube any more")
        self._broadcast_id, self._stream_id = broadcast_id, stream_id
        self._claims.add(stream_id)
        return self._ingest_of(streams[0])

    async def went_live(self) -> None:
        """Wait for auto-start; say it ourselves when it takes too long."""
        begun = self._clock()
        looks = iter(_LOOKS_S)
        told = False
        while True:
            life = await self._look()
            if life == "live":
                self._asking.begin()
                return
            waited_s = self._clock() - begun
            if waited_s >= _LIVE_WITHIN_S:
                raise PlatformError(
                    "not_live",
                    f"YouTube does not show the broadcast after {waited_s:.0f} s ({life})",
                    retryable=True,
                )
            if waited_s >= _AUTO_START_S and not told and life in ("ready", "testing"):
                told = await self._transition("live")
            await self._sleep(next(looks, _LOOKS_S[-1]))

    async def health(self) -> Health:
        """Both what arrives and what is shown; as often as the quota allows."""
        left = await self._api.units_left()
        again_s = self._asking.again_s(left - RESERVE_UNITS, self._api.ledger.renews_in_s())
        if left <= RESERVE_UNITS:
            issue = "YouTube is not asked: today's quota is nearly used up"
            return Health(HealthState.UNKNOWN, (issue,), again_s=again_s, watch_url=self._watch_url())
        broadcasts = await self._api.list(
            "liveBroadcasts", part="id,status,statistics", id=self._broadcast_id
        )
        streams = await self._api.list("liveStreams", part="id,status", id=self._stream_id)
        health = health_of(
            broadcasts[0] if broadcasts else None, streams[0] if streams else None, self._remarks
        )
        return self._asking.paced(
            health, left - RESERVE_UNITS, self._api.ledger.renews_in_s(), self._watch_url()
        )

    async def end(self) -> None:
        """End it; one that nobody has seen is deleted."""
        if not self._broadcast_id:
            return
        try:
            life = await self._look()
            if life in _STARTED:
                await self._complete()
            elif life not in _OVER:
                await self._api.write("DELETE", "liveBroadcasts", {"id": self._broadcast_id})
        except PlatformError as error:
            if error.reason not in ("over", "redundant"):
                raise
        self._claims.discard(self._stream_id)

    async def _complete(self) -> None:
        for wait_s in _LOOKS_S:
            try:
                await self._transition("complete")
                return
            except PlatformError as error:
                # One that is just starting cannot be ended yet.
                if error.reason != "state":
                    raise
            await self._sleep(wait_s)
        await self._transition("complete")

    async def _look(self) -> str:
        try:
            found = await self._api.list("liveBroadcasts", part="id,status", id=self._broadcast_id)
        except Exhausted:
            # Whether it must be ended is not known; ending it is not refused for want of units here.
            return "live"
        if not found:
            raise PlatformError("over", "the broadcast is not on YouTube any more")
        life = _life(found[0])
        if life in _OVER:
            raise PlatformError("over", "the broadcast has ended on YouTube")
        return life

    async def _transition(self, wanted: str) -> bool:
        query = {"part": "id,status", "id": self._broadcast_id, "broadcastStatus": wanted}
        try:
            await self._api.write("POST", "liveBroadcasts/transition", query)
        except PlatformError as error:
            if error.reason == "redundant":
                return True
            if wanted == "live" and error.reason in ("no_data", "state"):
                return False
            raise
        return True

    async def _ingest(self) -> dict[str, Any]:
        """An ingest of ours that no unfinished broadcast uses, or a new one."""
        streams = await self._api.list(
            "liveStreams", part="id,snippet,cdn,status", mine="true", maxResults="50"
        )
        ours = [each for each in streams if each.get("snippet", {}).get("title") == _INGEST_TITLE]
        if ours:
            bound: set[str] = set()
            for status in ("active", "upcoming"):
                found = await self._api.list(
                    "liveBroadcasts", part="id,contentDetails", broadcastStatus=status, maxResults="50"
                )
                bound |= {str(each.get("contentDetails", {}).get("boundStreamId", "")) for each in found}
            for stream in ours:
                # Asked after the lists, in one go with taking it.
                free = stream["id"] not in bound and stream["id"] not in self._claims
                if free and stream.get("status", {}).get("streamStatus") != "active":
                    self._claims.add(stream["id"])
                    return stream
        made = await self._api.write(
            "POST",
            "liveStreams",
            {"part": "id,snippet,cdn,contentDetails,status"},
            {
                "snippet": {"title": _INGEST_TITLE},
                "cdn": {"ingestionType": "rtmp", "resolution": "variable", "frameRate": "variable"},
                "contentDetails": {"isReusable": True},
            },
        )
        self._claims.add(str(made["id"]))
        return made

    async def _undo(self) -> None:
        self._claims.discard(self._stream_id)
        if not self._broadcast_id:
            return
        with contextlib.suppress(PlatformError):
            await self._api.write("DELETE", "liveBroadcasts", {"id": self._broadcast_id})
        self._broadcast_id = ""

    async def _set_thumbnail(self) -> None:
        if not self._announcement.thumbnail:
            return
        try:
            await self._api.set_thumbnail(self._broadcast_id, self._announcement.thumbnail)
        except PlatformError as error:
            # A broadcast without its picture is better than none.
            _log.warning("the thumbnail was not set: %s", error)
            self._remarks = (f"the thumbnail was not set: {error}",)

    def _document(self) -> dict[str, Any]:
        told = self._announcement
        starts_at = max(told.starts_at or 0.0, self._clock())
        return {
            "snippet": {
                "title": _plain(told.title)[:_MAX_TITLE],
                "description": _plain(told.description)[:_MAX_DESCRIPTION],
                "scheduledStartTime": datetime.fromtimestamp(starts_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
            "status": {"privacyStatus": told.privacy, "selfDeclaredMadeForKids": told.made_for_kids},
            "contentDetails": {
                "enableAutoStart": True,
                "enableAutoStop": False,
                "enableDvr": True,
                "latencyPreference": _LATENCY[told.latency],
                # Without a monitor stream there is no testing to go through.
                "monitorStream": {"enableMonitorStream": False},
            },
        }

    def _ingest_of(self, stream: dict[str, Any]) -> Ingest:
        info = stream.get("cdn", {}).get("ingestionInfo", {})
        url, key = info.get("rtmpsIngestionAddress") or info.get("ingestionAddress"), info.get("streamName")
        if not url or not key:
            raise PlatformError("unavailable", "YouTube has given no ingest yet", retryable=True)
        backup = info.get("rtmpsBackupIngestionAddress", "")
        return Ingest(str(url), str(key), str(backup), self.id, self._watch_url())

    def _watch_url(self) -> str:
        return f"https://www.youtube.com/watch?v={self._broadcast_id}" if self._broadcast_id else ""


def _life(broadcast: dict[str, Any]) -> str:
    return str(broadcast.get("status", {}).get("lifeCycleStatus", ""))


def _plain(text: str) -> str:
    """YouTube takes no angle brackets."""
    return text.replace("<", "(").replace(">", ")")
