"""YouTube's Data API v3, as far as going live takes it, paid for from the quota ledger.

Prices of the calls: a list 1 unit, everything else 50, of 10,000 a day for all that one registered project
does. What the API says no with is turned into words for whoever produces the programme.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from auth.platforms.connections import Connections
from auth.platforms.quota import QuotaLedger
from auth.tokens.provider_keys import Fetch, Fetched
from streamer.relay.platforms.caller import Caller, said
from streamer.relay.platforms.errors import Exhausted, NeedsReconnect, PlatformError

LIST_UNITS = 1
WRITE_UNITS = 50
#: What a broadcast that has begun may still need: transition, delete, some looks.
RESERVE_UNITS = 150

_SCOPES = frozenset({"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"})
_SLOW = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "userRequestsExceedRateLimit"})
#: reason: ours, what to say
_WORDS = {
    "liveStreamingNotEnabled": (
        "not_enabled",
        "live streaming is not enabled on this YouTube channel; enable it at youtube.com/features, which "
        "takes up to 24 hours the first time",
    ),
    "livePermissionBlocked": (
        "blocked",
        "YouTube has blocked live streaming on this channel; youtube.com/features says until when and why",
    ),
    "insufficientLivePermissions": (
        "not_allowed",
        "this account may not manage live streams of the YouTube channel; connect one that may",
    ),
    "youtubeSignupRequired": ("no_channel", "this Google account has no YouTube channel; make one first"),
    "liveBroadcastNotFound": ("over", "the broadcast is not on YouTube any more"),
    "liveStreamNotFound": ("over", "the ingest is not on YouTube any more"),
    "invalidTitle": (
        "bad_title",
        "YouTube does not take this title; expected 1 to 100 characters without < and >",
    ),
    "titleRequired": ("bad_title", "YouTube needs a title"),
    "invalidDescription": (
        "bad_description",
        "YouTube does not take this description; expected at most 5000 characters without < and >",
    ),
    "invalidScheduledStartTime": (
        "bad_schedule",
        "YouTube does not take this start; expected one in the future",
    ),
    "invalidImage": (
        "bad_thumbnail",
        "YouTube does not take this thumbnail; expected JPEG or PNG up to 2 MB",
    ),
    "liveBroadcastBindingNotAllowed": ("state", "the broadcast has begun already, or is over"),
    "errorStreamInactive": ("no_data", "YouTube gets nothing at the ingest yet"),
    "invalidTransition": ("state", "the broadcast's state on YouTube does not allow this now"),
    "redundantTransition": ("redundant", "the broadcast is in this state already"),
}
_WAITS = frozenset({"errorStreamInactive", "errorExecutingTransition"})


class YouTubeApi(Caller):
    """One channel's way to YouTube.

    Args:
        connections: where tokens come from.
        connection_id: of the channel.
        fetch: speaks HTTP.
        ledger: pays.
    """

    platform = "youtube"
    name = "YouTube"

    def __init__(
        self, connections: Connections, connection_id: str, fetch: Fetch, ledger: QuotaLedger
    ) -> None:
        super().__init__(connections, connection_id, fetch)
        self.ledger = ledger

    async def list(self, what: str, keep: int = 0, **query: str) -> list[dict[str, Any]]:
        """The items of a list.

        Args:
            what: `liveBroadcasts`, `liveStreams`.
            keep: units that must be left afterwards.
            **query: its parameters.

        Raises:
            PlatformError: as `Caller.call`; `exhausted` also when the ledger says so.
        """
        await self._pay(LIST_UNITS, keep)
        items = (await self.call("GET", self._url(what, query))).get("items")
        return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []

    async def write(
        self, method: str, what: str, query: Mapping[str, str], document: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Change something; ending is tried even when the ledger says that nothing is left."""
        await self._pay(WRITE_UNITS, 0, must="complete" in query.values() or method == "DELETE")
        return await self.call(method, self._url(what, query), document=document)

    async def set_thumbnail(self, video_id: str, picture: bytes) -> None:
        """Show a picture before and instead of the video."""
        await self._pay(WRITE_UNITS, 0)
        kind = "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
        query = urlencode({"videoId": video_id, "uploadType": "media"})
        url = self.at("youtube.googleapis.com", f"/upload/youtube/v3/thumbnails/set?{query}")
        await self.call("POST", url, content=(kind, picture))

    async def units_left(self) -> int:
        """Of today's."""
        return await self.ledger.left((await self.access()).project)

    def rejects_token(self, fetched: Fetched) -> bool:
        """401 is about the token, whatever its text."""
        return fetched.status == 401

    def failure(self, fetched: Fetched) -> PlatformError:
        """By the first of the errors' reasons."""
        error = said(fetched).get("error")
        errors = error.get("errors") if isinstance(error, dict) else None
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
        reason = str(first.get("reason", ""))
        if reason in ("quotaExceeded", "dailyLimitExceeded"):
            return self._used_up()
        if reason in _SLOW:
            return Exhausted("YouTube asks to slow down", 30.0)
        if reason in _SCOPES:
            return NeedsReconnect(
                "the permission to manage YouTube broadcasts is missing; connect the channel again"
            )
        if reason in _WORDS:
            ours, text = _WORDS[reason]
            return PlatformError(ours, text, retryable=reason in _WAITS)
        known = self.unavailable(fetched)
        if known is not None:
            return known
        word = "".join(letter for letter in reason if letter.isalnum())[:64] or f"status {fetched.status}"
        return PlatformError("refused", f"YouTube refuses: {word}")

    async def _pay(self, units: int, keep: int, *, must: bool = False) -> None:
        project = (await self.access()).project
        if not await self.ledger.spend(project, units, keep) and not must:
            raise self._used_up()

    async def call(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        """As `Caller.call`; what YouTube says about the quota is taken over into the ledger."""
        try:
            return await super().call(method, url, **more)
        except Exhausted as error:
            if error.retry_after_s is not None and error.retry_after_s > 60:
                await self.ledger.exhaust((await self.access()).project)
            raise

    def _used_up(self) -> Exhausted:
        left_s = self.ledger.renews_in_s()
        return Exhausted(
            f"today's YouTube quota is used up; renewed in {left_s / 3600:.1f} h (midnight in California)",
            left_s + 60,
        )

    def _url(self, what: str, query: Mapping[str, str]) -> str:
        return self.at("youtube.googleapis.com", f"/youtube/v3/{what}?{urlencode(query)}")
