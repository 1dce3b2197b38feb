"""Platforms, put together from the configuration: connections to accounts, and what is asked of them."""

from __future__ import annotations

from auth.platforms.connections import Connections
from auth.platforms.facebook import FacebookLogin
from auth.platforms.login import PlatformLogin, PlatformOptions
from auth.platforms.oauth import AppClient
from auth.platforms.quota import QuotaLedger
from auth.platforms.twitch import TwitchLogin
from auth.platforms.youtube import YouTubeLogin
from auth.tokens.provider_keys import Fetch
from ops.identity.identity import Identity
from ops.identity.outgoing import Outgoing
from streamer.relay.platforms.platforms import Platforms
from streamer.sections.platforms import PlatformConfig, PlatformsConfig


class PlatformDesk:
    """What a running server has of platforms. Made on its event loop; `close` when done.

    Attributes:
        connections: the accounts.
        broadcasts: what is done with them.
    """

    def __init__(self, config: PlatformsConfig, identity: Identity) -> None:
        self._fetch = Outgoing()
        logins = configured(config, self._fetch, identity)
        self.connections = Connections(identity.engine, identity.vault, logins, clock=identity.clock)
        ledger = QuotaLedger(identity.engine, config.youtube.daily_units, clock=identity.clock)
        self.broadcasts = Platforms(self.connections, self._fetch, ledger, clock=identity.clock)

    async def run(self) -> None:
        """Look after the connections until cancelled."""
        await self.connections.run()

    async def close(self) -> None:
        """Finish what is under way."""
        await self.connections.close()
        await self._fetch.close()


def configured(config: PlatformsConfig, fetch: Fetch, identity: Identity) -> list[PlatformLogin]:
    """The platforms that this installation is registered with."""
    found: list[PlatformLogin] = []
    youtube, facebook, twitch = config.youtube, config.facebook, config.twitch
    if youtube.client_id:
        device = AppClient(youtube.device_client_id, youtube.device_client_secret.get_secret_value())
        options = _options(youtube, device=device if device.id else None)
        found.append(YouTubeLogin(options, fetch, clock=identity.clock))
    if facebook.client_id:
        options = _options(facebook, client_token=facebook.client_token.get_secret_value())
        found.append(FacebookLogin(options, fetch, clock=identity.clock))
    if twitch.client_id:
        found.append(TwitchLogin(_options(twitch), fetch, clock=identity.clock))
    return found


def _options(
    config: PlatformConfig, *, device: AppClient | None = None, client_token: str = ""
) -> PlatformOptions:
    client = AppClient(config.client_id, config.client_secret.get_secret_value())
    return PlatformOptions(client, device, client_token, config.base_url)
