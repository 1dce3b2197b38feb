"""An app of Twitch's: asks for consent, redeems codes, calls Helix with its id and token."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp

from ops.sandbox.app import Sandbox
from ops.sandbox.parties import CLIENTS
from ops.sandbox.twitch.oauth import MANAGE, READ_KEY
from tests.rigs.sandbox import consent

APP = CLIENTS[3]
REDIRECT = "http://127.0.0.1:4711/callback"
HARBOUR = "901000001"


@dataclass
class Twitch:
    sandbox: Sandbox
    http: aiohttp.ClientSession
    token: str = field(default="", repr=False)

    @property
    def base(self) -> str:
        return f"{self.sandbox.addresses.http}/twitch"

    def page(self, **changes: str) -> str:
        asked = {
            "client_id": APP.id,
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": f"{READ_KEY} {MANAGE}",
            "state": "a state",
            **changes,
        }
        return f"{self.base}/oauth2/authorize?{urlencode(asked)}"

    async def ask(self, path: str, **form: str) -> tuple[int, dict[str, Any]]:
        async with self.http.post(f"{self.base}/oauth2{path}", data=form) as answer:
            return answer.status, await answer.json() if await answer.read() else {}

    async def redeem(self, code: str, **changes: str) -> tuple[int, dict[str, Any]]:
        app = {"client_id": APP.id, "client_secret": APP.secret, "redirect_uri": REDIRECT}
        form = {"grant_type": "authorization_code", "code": code, **app, **changes}
        return await self.ask("/token", **form)

    async def refresh(self, token: str, **changes: str) -> tuple[int, dict[str, Any]]:
        app = {"client_id": APP.id, "client_secret": APP.secret}
        form = {"grant_type": "refresh_token", "refresh_token": token, **app, **changes}
        return await self.ask("/token", **form)

    async def log_in(self, account: str = "", without: frozenset[str] = frozenset()) -> dict[str, Any]:
        back = await consent(self.http, self.page(), account=account, without=without)
        status, tokens = await self.redeem(parse_qs(urlsplit(back).query)["code"][0])
        assert status == 200, tokens
        self.token = tokens["access_token"]
        return tokens

    async def call(
        self, method: str, path: str, body: object = None, client_id: str = APP.id, **query: str
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self.token}", "Client-Id": client_id}
        url = f"{self.base}/helix{path}"
        async with self.http.request(method, url, params=query, json=body, headers=headers) as answer:
            return answer.status, await answer.json() if answer.status != 204 else {}
