"""Facebook's Graph API, as far as going live takes it, and what its errors mean to a producer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from auth.platforms.facebook import VERSION
from auth.tokens.provider_keys import Fetched
from streamer.relay.platforms.caller import Caller, said
from streamer.relay.platforms.errors import Exhausted, NeedsReconnect, PlatformError

# Graph API, "Handling errors".
_TOKEN = frozenset({102, 104, 190})
_THROTTLED = frozenset({4, 17, 32, 341, 613})
_PASSING = frozenset({1, 2})
_BLOCKED = 368
_TOO_NEW = 1363144


class FacebookApi(Caller):
    """One account's, or page's, way to Facebook."""

    platform = "facebook"
    name = "Facebook"

    async def get(self, node: str, **query: str) -> dict[str, Any]:
        """Fields of a node, or an edge."""
        return await self.call("GET", self._url(node) + (f"?{urlencode(query)}" if query else ""))

    async def post(self, node: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Make or change something."""
        return await self.call("POST", self._url(node), form=form)

    async def delete(self, node: str) -> dict[str, Any]:
        """Forget something."""
        return await self.call("DELETE", self._url(node))

    def rejects_token(self, fetched: Fetched) -> bool:
        """By its code; the status is 400 or 401."""
        return fetched.status >= 400 and _code(fetched)[0] in _TOKEN

    def failure(self, fetched: Fetched) -> PlatformError:
        """By its code and subcode."""
        code, subcode, message = _code(fetched)
        if subcode == _TOO_NEW:
            return PlatformError(
                "not_enabled",
                "Facebook does not let this account go live; it must be 60 days old and have 100 followers",
            )
        if code in _THROTTLED:
            return Exhausted("Facebook asks to slow down", 300.0)
        if code == _BLOCKED:
            return PlatformError(
                "blocked", "Facebook has blocked this account or app for a while; see its support inbox"
            )
        if code == 10 or 200 <= code <= 299:
            return NeedsReconnect(
                "Facebook says that a permission is missing; connect the account again and allow all of it"
            )
        if code == 100 and "does not exist" in message:
            return PlatformError("over", "the live video is not on Facebook any more")
        if code == 100 and "already ended" in message:
            return PlatformError("over", "the live video has ended on Facebook")
        if code in _PASSING:
            return PlatformError("unavailable", "Facebook has a problem of its own", retryable=True)
        known = self.unavailable(fetched)
        if known is not None:
            return known
        number = f"{code}/{subcode}" if subcode else str(code or f"status {fetched.status}")
        return PlatformError("refused", f"Facebook refuses with its error {number}")

    def _url(self, node: str) -> str:
        return self.at("graph.facebook.com", f"/{VERSION}/{node}")


def _code(fetched: Fetched) -> tuple[int, int, str]:
    error = said(fetched).get("error")
    if not isinstance(error, dict):
        return 0, 0, ""
    code, subcode = error.get("code"), error.get("error_subcode")
    return (
        code if isinstance(code, int) else 0,
        subcode if isinstance(subcode, int) else 0,
        str(error.get("message", "")),
    )
