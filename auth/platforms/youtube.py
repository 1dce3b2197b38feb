"""Connecting a YouTube channel, by Google's OAuth 2.0."""

from __future__ import annotations

from collections.abc import Mapping

from auth.errors import PlatformRefused
from auth.platforms.login import Identity, PlatformLogin, Scope, bearer
from auth.platforms.oauth import Endpoints, Tokens

MANAGE = "https://www.googleapis.com/auth/youtube"


class YouTubeLogin(PlatformLogin):
    """YouTube. Browsers and device codes need two registered clients: "Web" and "TV and limited input"."""

    platform = "youtube"
    name = "YouTube"
    scopes = (
        Scope(
            MANAGE,
            "to create live broadcasts on the channel, start and end them, set their title and thumbnail, "
            "and read their health and viewer count; YouTube has no smaller permission that allows this",
        ),
    )

    def endpoints(self) -> Endpoints:
        """Google's."""
        at = self.options.at
        return Endpoints(
            at("accounts.google.com", "/o/oauth2/v2/auth"),
            at("oauth2.googleapis.com", "/token"),
            at("oauth2.googleapis.com", "/device/code"),
            at("oauth2.googleapis.com", "/revoke"),
        )

    @property
    def has_device(self) -> bool:
        """With a client that was registered for it."""
        return self.options.device_client is not None

    def _more(self) -> Mapping[str, str]:
        # Without "consent" there is no refresh token for an account that was connected before.
        return {"access_type": "offline", "prompt": "consent", "include_granted_scopes": "false"}

    async def identify(self, tokens: Tokens) -> Identity:
        """The channel."""
        scopes = tokens.scopes or frozenset()
        if self.missing(scopes):
            # Its API would refuse; whose account it is does not matter then.
            return Identity("", "", scopes)
        url = self.options.at("youtube.googleapis.com", "/youtube/v3/channels?part=snippet&mine=true")
        items = (await self.ask(url, bearer(tokens))).get("items")
        if not isinstance(items, list) or not items:
            raise PlatformRefused(
                "no_channel", "this Google account has no YouTube channel; make one and connect again"
            )
        return Identity(
            str(items[0].get("id", "")), str(items[0].get("snippet", {}).get("title", "")), scopes
        )
