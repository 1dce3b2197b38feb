"""Connecting a Twitch channel."""

from __future__ import annotations

from collections.abc import Mapping

from auth.errors import PlatformRefused
from auth.platforms.login import Identity, PlatformLogin, Scope
from auth.platforms.oauth import AppClient, DeviceCode, Endpoints, Tokens, scopes_of

KEY = "channel:read:stream_key"
BROADCAST = "channel:manage:broadcast"


class TwitchLogin(PlatformLogin):
    """Twitch. Its refresh tokens may change with each use."""

    platform = "twitch"
    name = "Twitch"
    scopes = (
        Scope(KEY, "to read the stream key, so that nobody has to copy it"),
        Scope(BROADCAST, "to set title and category of the channel", needed=False),
    )
    # Twitch asks every application to do so: dev.twitch.tv/docs/authentication/validate-tokens
    check_every_s = 3600.0

    def endpoints(self) -> Endpoints:
        """Twitch's."""
        at = self.options.at
        return Endpoints(
            *(at("id.twitch.tv", f"/oauth2/{name}") for name in ("authorize", "token", "device", "revoke"))
        )

    def _more(self) -> Mapping[str, str]:
        return {"force_verify": "true"}

    async def identify(self, tokens: Tokens) -> Identity:
        """The channel."""
        answer = await self._validate(tokens)
        name = str(answer.get("login", ""))
        return Identity(str(answer.get("user_id", "")), name, scopes_of(answer.get("scopes")) or frozenset())

    async def check(self, tokens: Tokens) -> None:
        """As Twitch wants it done every hour."""
        await self._validate(tokens)

    async def refresh(self, tokens: Tokens, client: AppClient) -> Tokens:
        """As all others, but for how it says no."""
        try:
            return await super().refresh(tokens, client)
        except PlatformRefused as error:
            if error.code in ("invalid_refresh_token", "status_401"):
                raise PlatformRefused("invalid_grant", str(error)) from None
            raise

    async def revoke(self, tokens: Tokens, client: AppClient) -> None:
        """By the access token, which takes the others with it."""
        try:
            await self.oauth(client).post(
                self.endpoints().revoke, {"client_id": client.id, "token": tokens.access}
            )
        except PlatformRefused as error:
            if error.code not in ("invalid_token", "status_400"):
                raise

    async def begin_device(self) -> DeviceCode:
        """With `scopes`, where all others have `scope`."""
        return await self.oauth(self.device_client).begin_device({"scopes": self._scope()})

    async def poll_device(self, code: DeviceCode) -> Tokens:
        """With the scopes once more."""
        try:
            return await self.oauth(self.device_client).poll_device(
                code.device_code, {"scopes": self._scope()}
            )
        except PlatformRefused as error:
            if error.code == "invalid_device_code":
                raise PlatformRefused("expired_token", "the code has expired; begin again") from None
            raise

    async def _validate(self, tokens: Tokens) -> dict[str, object]:
        # "OAuth", not "Bearer": that is how it is documented, though both are taken.
        return await self.ask(
            self.options.at("id.twitch.tv", "/oauth2/validate"), {"Authorization": f"OAuth {tokens.access}"}
        )
