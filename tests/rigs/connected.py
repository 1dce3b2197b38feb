"""Accounts at the stand-in platforms, connected as an operator would connect them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.audit.entries import audit_log
from auth.platforms.connecting import Connecting
from auth.platforms.connections import Connections
from auth.platforms.facebook import FacebookLogin
from auth.platforms.login import PlatformLogin, PlatformOptions
from auth.platforms.oauth import AppClient
from auth.platforms.records import Connection
from auth.platforms.tables import connections
from auth.platforms.token_store import Asker
from auth.platforms.twitch import TwitchLogin
from auth.platforms.youtube import YouTubeLogin
from auth.vault.vault import Vault
from ops.identity.outgoing import Outgoing
from ops.sandbox.app import Sandbox
from ops.sandbox.parties import CLIENTS, FACEBOOK_CLIENT_TOKEN, ClientKind, Platform
from tests.rigs.sandbox import consent, sandbox

ASKER = Asker("id-anna", "192.0.2.7")
BACK = "http://127.0.0.1:8080/connections/callback/"


class Rig:
    """The stand-in, and this server's side of it, which goes by the stand-in's clock.

    Attributes:
        monotonic: seconds, for those who wait.
    """

    def __init__(
        self, sandbox: Sandbox, engine: AsyncEngine, vault: Vault, client: aiohttp.ClientSession
    ) -> None:
        self.sandbox = sandbox
        self.engine = engine
        self.client = client
        self.clock = sandbox.world.clock
        self.fetch = Outgoing()
        self.monotonic = 0.0
        self.connections = Connections(engine, vault, logins(sandbox, self.fetch), clock=self.clock.now)
        self.connecting = Connecting(self.connections, monotonic=lambda: self.monotonic)

    async def connect(
        self, platform: str, *, asker: Asker = ASKER, again: str = "", **person: Any
    ) -> Connection:
        """Go through the consent page; `person` as of `tests.rigs.sandbox.consent`."""
        departure = self.connecting.begin(platform, BACK + platform, asker, again=again)
        back = await consent(self.client, departure.url, **person)
        connected = await self.connecting.finish(platform, answer_of(back), departure.binding)
        return connected.connection

    async def audited(self) -> list[tuple[str, str]]:
        """What the log says was done, and how it ended, in order."""
        async with self.engine.connect() as connection:
            rows = await connection.execute(
                select(audit_log.c.what, audit_log.c.outcome).order_by(audit_log.c.seq)
            )
            return [(row.what, row.outcome) for row in rows]

    async def stored(self) -> str:
        """Everything that the database holds of connections and the audit log, as text."""
        async with self.engine.connect() as connection:
            rows = [
                *(await connection.execute(select(connections))),
                *(await connection.execute(select(audit_log))),
            ]
            return repr(rows)

    def calls(self, platform: str) -> list[str]:
        """What the platform was asked."""
        return [call.operation for call in self.sandbox.world.calls.matching(platform)]


@asynccontextmanager
async def connected_rig(engine: AsyncEngine, vault: Vault, **options: Any) -> AsyncIterator[Rig]:
    """A stand-in with nobody connected yet."""
    async with sandbox(**options) as started, aiohttp.ClientSession() as client:
        rig = Rig(started, engine, vault, client)
        try:
            yield rig
        finally:
            await rig.connections.close()
            await rig.fetch.close()


def logins(sandbox: Sandbox, fetch: Outgoing) -> list[PlatformLogin]:
    """As `[platforms]` for `streamer sandbox` makes them."""
    youtube = PlatformOptions(
        _client(Platform.YOUTUBE, ClientKind.WEB),
        _client(Platform.YOUTUBE, ClientKind.TV),
        base_url=f"{sandbox.addresses.http}/youtube",
    )
    facebook = PlatformOptions(
        _client(Platform.FACEBOOK),
        client_token=FACEBOOK_CLIENT_TOKEN,
        base_url=f"{sandbox.addresses.http}/facebook",
    )
    twitch = PlatformOptions(_client(Platform.TWITCH), base_url=f"{sandbox.addresses.http}/twitch")
    clock = sandbox.world.clock.now
    return [
        YouTubeLogin(youtube, fetch, clock=clock),
        FacebookLogin(facebook, fetch, clock=clock),
        TwitchLogin(twitch, fetch, clock=clock),
    ]


def answer_of(url: str) -> dict[str, str]:
    """The parameters with which a browser comes back."""
    return dict(parse_qsl(urlsplit(url).query))


def _client(platform: Platform, kind: ClientKind = ClientKind.ANY) -> AppClient:
    found = next(each for each in CLIENTS if each.platform is platform and each.kind is kind)
    return AppClient(found.id, found.secret)


def settings(sandbox: Sandbox) -> dict[str, dict[str, str]]:
    """The table `platforms` of a configuration that has the stand-in for all of them."""
    found: dict[str, dict[str, str]] = {}
    for platform in (Platform.YOUTUBE, Platform.FACEBOOK, Platform.TWITCH):
        kind = ClientKind.WEB if platform is Platform.YOUTUBE else ClientKind.ANY
        client = _client(platform, kind)
        found[platform.value] = {
            "client_id": client.id,
            "client_secret": client.secret,
            "base_url": f"{sandbox.addresses.http}/{platform}",
        }
    device = _client(Platform.YOUTUBE, ClientKind.TV)
    found["youtube"] |= {"device_client_id": device.id, "device_client_secret": device.secret}
    found["facebook"] |= {"client_token": FACEBOOK_CLIENT_TOKEN}
    return found
