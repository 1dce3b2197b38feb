"""Makes broadcasts on the platforms from connected accounts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from auth.platforms.connections import Connections
from auth.platforms.quota import QuotaLedger
from auth.tokens.provider_keys import Fetch
from streamer.relay.platforms import custom, facebook, twitch, youtube
from streamer.relay.platforms.broadcast import Announcement, Broadcast, Traits
from streamer.relay.platforms.errors import PlatformError
from streamer.relay.platforms.facebook_api import FacebookApi
from streamer.relay.platforms.youtube_api import YouTubeApi

_TRAITS = {
    "youtube": youtube.TRAITS,
    "facebook": facebook.TRAITS,
    "twitch": twitch.TRAITS,
    "custom": custom.TRAITS,
}


def traits_of(platform: str) -> Traits:
    """What a platform demands and allows.

    Raises:
        PlatformError: there is none of this name.
    """
    found = _TRAITS.get(platform)
    if found is None:
        raise _unknown(platform)
    return found


class Platforms:
    """All of them. Belongs to one event loop.

    Args:
        connections: the accounts.
        fetch: speaks HTTP.
        ledger: of YouTube's quota.
        clock: seconds since 1970.
        sleep: between two looks.
    """

    def __init__(
        self,
        connections: Connections,
        fetch: Fetch,
        ledger: QuotaLedger,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.connections = connections
        self._fetch = fetch
        self._ledger = ledger
        self._clock = clock
        self._sleep = sleep
        self._claims: youtube.Claims = set()

    def open(self, platform: str, connection_id: str, announcement: Announcement) -> Broadcast:
        """A broadcast that is still to be prepared or resumed. Asks nobody yet.

        Args:
            platform: `youtube`, `facebook` or `twitch`; for any other server make a `CustomBroadcast`.
            connection_id: the account.
            announcement: what is to be broadcast.

        Raises:
            PlatformError: no such platform, or nothing that it could be announced as.
        """
        if not announcement.title.strip():
            raise PlatformError("bad_title", "a broadcast needs a title")
        connections, fetch, clock, sleep = self.connections, self._fetch, self._clock, self._sleep
        match platform:
            case "youtube":
                api = YouTubeApi(connections, connection_id, fetch, self._ledger)
                return youtube.YouTubeBroadcast(api, announcement, self._claims, clock=clock, sleep=sleep)
            case "facebook":
                page = announcement.page or None
                graph = FacebookApi(connections, connection_id, fetch, page)
                return facebook.FacebookBroadcast(graph, announcement, clock=clock, sleep=sleep)
            case "twitch":
                helix = twitch.TwitchApi(connections, connection_id, fetch)
                return twitch.TwitchBroadcast(helix, announcement, clock=clock, sleep=sleep)
        raise _unknown(platform)


def _unknown(platform: str) -> PlatformError:
    return PlatformError(
        "unsupported", f"no platform is called {platform[:32]!r}; expected {', '.join(sorted(_TRAITS))}"
    )
