"""A broadcast on Twitch: the channel's key, title and category. It begins and ends with the push."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from auth.platforms.connections import Access
from auth.platforms.twitch import BROADCAST
from auth.tokens.provider_keys import Fetched
from streamer.relay.platforms.broadcast import Announcement, Health, HealthState, Ingest, Traits
from streamer.relay.platforms.caller import Caller, said
from streamer.relay.platforms.errors import NeedsReconnect, PlatformError

TRAITS = Traits(
    "Twitch",
    max_duration_s=48 * 3600.0,
    max_keyframe_interval_s=4.0,
    max_video_bps=8_000_000,
    has_health=False,
)
_MAX_TITLE = 140
#: Leads to the nearest of Twitch's ingests; used where their list cannot be had.
_ANYWHERE = "rtmps://ingest.global-contribute.live-video.net:443/app"
_LIVE_WITHIN_S = 120.0
_LOOKS_S = (2.0, 3.0, 5.0)
_AGAIN_S, _AGAIN_SOON_S = 30.0, 10.0

Sleep = Callable[[float], Awaitable[None]]


class TwitchApi(Caller):
    """One channel's way to Twitch."""

    platform = "twitch"
    name = "Twitch"

    def headers(self, access: Access) -> dict[str, str]:
        """Twitch wants to be told the application too."""
        return {**super().headers(access), "Client-Id": access.client_id}

    async def helix(
        self, method: str, path: str, query: Mapping[str, str], document: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """What is in `data`."""
        url = self.at("api.twitch.tv", f"/helix/{path}?{urlencode(query)}")
        found = (await self.call(method, url, document=document)).get("data")
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    async def ingests(self) -> list[dict[str, Any]]:
        """Where to send to, the best first."""
        found = (await self.call("GET", self.at("ingest.twitch.tv", "/ingests"))).get("ingests")
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    def rejects_token(self, fetched: Fetched) -> bool:
        """401 says that a scope is missing too, which no other token would have."""
        return fetched.status == 401 and "scope" not in str(said(fetched).get("message", "")).lower()

    def failure(self, fetched: Fetched) -> PlatformError:
        """By status; Twitch's texts are for programmers."""
        if fetched.status == 401:
            return NeedsReconnect(
                "a permission is missing on Twitch; connect the channel again and allow what is asked"
            )
        if fetched.status == 403:
            return PlatformError("not_allowed", "Twitch does not let this account stream to the channel")
        if fetched.status == 404:
            return PlatformError("not_found", "Twitch does not know the channel")
        known = self.unavailable(fetched)
        return known or PlatformError("refused", f"Twitch refuses (status {fetched.status})")


class TwitchBroadcast:
    """One broadcast.

    Args:
        api: of the channel.
        announcement: what is to be broadcast.
        clock: seconds since 1970.
        sleep: between two looks.
    """

    traits = TRAITS

    def __init__(
        self,
        api: TwitchApi,
        announcement: Announcement,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._api = api
        self._announcement = announcement
        self._clock = clock
        self._sleep = sleep
        self._channel = ""
        self._watch_url = ""
        self._was_live = False
        self._remarks: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The channel's."""
        return self._channel

    async def prepare(self) -> Ingest:
        """Set title and category, read the key."""
        if self._announcement.privacy != "public":
            raise PlatformError("unsupported", "Twitch broadcasts to everybody; expected privacy public")
        access = await self._api.access()
        await self._describe(access)
        return await self._ingest(access)

    async def resume(self, id: str) -> Ingest:
        """Read the key again."""
        access = await self._api.access()
        if access.acts_as != id:
            raise PlatformError("over", "the connection is to another Twitch channel now")
        return await self._ingest(access)

    async def went_live(self) -> None:
        """Wait until Twitch shows it."""
        begun = self._clock()
        looks = iter(_LOOKS_S)
        while not await self._live():
            if self._clock() - begun >= _LIVE_WITHIN_S:
                raise PlatformError("not_live", "Twitch does not show the channel as live", retryable=True)
            await self._sleep(next(looks, _LOOKS_S[-1]))
        self._was_live = True

    async def health(self) -> Health:
        """Whether it is shown, and to how many; Twitch says nothing about what arrives."""
        live = await self._live()
        if live is None:
            # It is in no hurry to say that a channel is off the air, nor that it is back.
            state = HealthState.BAD if self._was_live else HealthState.WAITING
            issues = ("Twitch does not show the channel as live",) if self._was_live else ()
            return Health(state, (*issues, *self._remarks), again_s=_AGAIN_SOON_S, watch_url=self._watch_url)
        self._was_live = True
        viewers = live.get("viewer_count")
        return Health(
            HealthState.POOR if self._remarks else HealthState.GOOD,
            self._remarks,
            viewers if isinstance(viewers, int) else None,
            _AGAIN_S,
            self._watch_url,
        )

    async def end(self) -> None:
        """It ends with the push."""

    async def _live(self) -> dict[str, Any] | None:
        found = await self._api.helix("GET", "streams", {"user_id": self._channel})
        return found[0] if found else None

    async def _describe(self, access: Access) -> None:
        told = self._announcement
        if BROADCAST not in access.scopes:
            self._remarks = ("title and category were not set: connect the channel again and allow that",)
            return
        document = {"title": told.title.strip()[:_MAX_TITLE]}
        if told.category and (category := await self._category(told.category)):
            document["game_id"] = category
        try:
            await self._api.helix("PATCH", "channels", {"broadcaster_id": access.acts_as}, document)
        except NeedsReconnect:
            raise
        except PlatformError as error:
            # A broadcast under the last one's title is better than none.
            self._remarks = (*self._remarks, f"title and category were not set: {error}")

    async def _category(self, name: str) -> str:
        found = await self._api.helix("GET", "games", {"name": name})
        if not found:
            found = await self._api.helix("GET", "search/categories", {"query": name, "first": "20"})
            exact = [each for each in found if str(each.get("name", "")).casefold() == name.casefold()]
            found = exact or found[:1]
        if not found:
            self._remarks = (*self._remarks, f"Twitch has no category {name!r}; the last one stays")
            return ""
        return str(found[0].get("id", ""))

    async def _ingest(self, access: Access) -> Ingest:
        found = await self._api.helix("GET", "streams/key", {"broadcaster_id": access.acts_as})
        key = str(found[0].get("stream_key", "")) if found else ""
        if not key:
            raise PlatformError("not_allowed", "Twitch gives this channel no stream key; it may be suspended")
        self._channel = access.acts_as
        self._watch_url = f"https://www.twitch.tv/{access.name}"
        return Ingest(await self._address(), key, "", self._channel, self._watch_url)

    async def _address(self) -> str:
        try:
            ingests = await self._api.ingests()
        except PlatformError:
            return _ANYWHERE
        for each in sorted(ingests, key=lambda ingest: not ingest.get("default")):
            address, _, rest = str(each.get("url_template_secure", "")).partition("/{stream_key}")
            if address.startswith("rtmps://") and not rest:
                return address
        return _ANYWHERE
