"""An app of Facebook's: asks for consent, gets tokens that last, calls the graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp

from ops.sandbox.app import Sandbox
from ops.sandbox.parties import CLIENTS
from ops.sandbox.proofs import challenge_of
from tests.rigs.sandbox import consent

APP = CLIENTS[2]
REDIRECT = "http://127.0.0.1:4711/callback"
VERIFIER = "v" * 43
SCOPES = "publish_video,pages_show_list,pages_read_engagement,pages_manage_posts"
HARBOUR = "61550000000000011"


@dataclass
class Facebook:
    sandbox: Sandbox
    http: aiohttp.ClientSession
    token: str = field(default="", repr=False)

    @property
    def base(self) -> str:
        return f"{self.sandbox.addresses.http}/facebook/v26.0"

    def page(self, **changes: str) -> str:
        asked = {
            "client_id": APP.id,
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": SCOPES,
            "state": "a state",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
            **changes,
        }
        return f"{self.base}/dialog/oauth?{urlencode(asked)}"

    async def code(self, account: str = "", without: frozenset[str] = frozenset(), **changes: str) -> str:
        back = await consent(self.http, self.page(**changes), account=account, without=without)
        return parse_qs(urlsplit(back).query)["code"][0]

    async def call(self, method: str, path: str, **asked: str) -> tuple[int, dict[str, Any]]:
        asked.setdefault("access_token", self.token)
        url, given = self.base + path, {"params" if method == "GET" else "data": asked}
        async with self.http.request(method, url, **given) as answer:
            return answer.status, await answer.json()

    async def redeem(self, code: str, **changes: str) -> tuple[int, dict[str, Any]]:
        form = {
            "client_id": APP.id,
            "client_secret": APP.secret,
            "redirect_uri": REDIRECT,
            "code": code,
            "code_verifier": VERIFIER,
            **changes,
        }
        return await self.call("GET", "/oauth/access_token", **form)

    async def exchange(self, token: str) -> tuple[int, dict[str, Any]]:
        form = {"grant_type": "fb_exchange_token", "client_id": APP.id, "client_secret": APP.secret}
        return await self.call("POST", "/oauth/access_token", fb_exchange_token=token, **form)

    async def log_in(self, account: str = "", without: frozenset[str] = frozenset()) -> str:
        """A token of 60 days."""
        status, short = await self.redeem(await self.code(account, without))
        assert status == 200, short
        _, long = await self.exchange(short["access_token"])
        self.token = str(long["access_token"])
        return self.token

    async def page_token(self, name: str = "Harbour Radio") -> str:
        _, listed = await self.call("GET", "/me/accounts")
        return next(str(page["access_token"]) for page in listed["data"] if page["name"] == name)

    async def live_video(self, owner: str = "me", **asked: str) -> dict[str, Any]:
        status, made = await self.call("POST", f"/{owner}/live_videos", **asked)
        assert status == 200, made
        return made

    async def status(self, video: str) -> str:
        _, shown = await self.call("GET", f"/{video}", fields="status")
        return str(shown["status"])


def code_of(body: dict[str, Any]) -> tuple[int, int]:
    """Facebook's code and subcode of what went wrong."""
    return body["error"]["code"], body["error"].get("error_subcode", 0)
