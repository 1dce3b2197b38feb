"""An app of Google's in a browser: asks for consent, redeems codes, calls the API with what it got."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp

from ops.sandbox.app import Sandbox
from ops.sandbox.parties import CLIENTS
from ops.sandbox.proofs import challenge_of
from ops.sandbox.youtube.oauth import MANAGE
from tests.rigs.sandbox import consent

WEB, TV = CLIENTS[0], CLIENTS[1]
REDIRECT = "http://127.0.0.1:4711/callback"
VERIFIER = "v" * 43
SNIPPET = {"title": "Evening news", "scheduledStartTime": "2030-01-01T20:00:00Z"}
PARTS = "snippet,status,contentDetails"


@dataclass
class Google:
    sandbox: Sandbox
    http: aiohttp.ClientSession
    token: str = field(default="", repr=False)

    @property
    def base(self) -> str:
        return f"{self.sandbox.addresses.http}/youtube"

    def page(self, **changes: str) -> str:
        asked = {
            "client_id": WEB.id,
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": MANAGE,
            "state": "a state",
            "access_type": "offline",
            "prompt": "consent",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
            **changes,
        }
        return f"{self.base}/o/oauth2/v2/auth?{urlencode({k: v for k, v in asked.items() if v})}"

    async def code(self, account: str = "", **changes: str) -> str:
        back = await consent(self.http, self.page(**changes), account=account)
        return parse_qs(urlsplit(back).query)["code"][0]

    async def ask(self, path: str, **form: str) -> tuple[int, dict[str, Any]]:
        async with self.http.post(self.base + path, data=form) as answer:
            return answer.status, await answer.json()

    async def redeem(self, code: str, **changes: str) -> tuple[int, dict[str, Any]]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": WEB.id,
            "client_secret": WEB.secret,
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
            **changes,
        }
        return await self.ask("/token", **form)

    async def refresh(self, token: str, **changes: str) -> tuple[int, dict[str, Any]]:
        form = {"grant_type": "refresh_token", "client_id": WEB.id, "client_secret": WEB.secret, **changes}
        return await self.ask("/token", refresh_token=token, **form)

    async def log_in(self, account: str = "", **changes: str) -> dict[str, Any]:
        status, tokens = await self.redeem(await self.code(account, **changes))
        assert status == 200, tokens
        self.token = tokens["access_token"]
        return tokens

    async def call(
        self, method: str, path: str, body: object = None, **query: str
    ) -> tuple[int, dict[str, Any]]:
        url, headers = f"{self.base}/youtube/v3{path}", {"Authorization": f"Bearer {self.token}"}
        async with self.http.request(method, url, params=query, json=body, headers=headers) as answer:
            return answer.status, await answer.json() if answer.status != 204 else {}

    async def broadcast(self, **details: object) -> str:
        body = {"snippet": SNIPPET, "status": {"privacyStatus": "unlisted"}, "contentDetails": details}
        status, made = await self.call("POST", "/liveBroadcasts", body, part=PARTS)
        assert status == 200, made
        return str(made["id"])

    async def stream(self) -> tuple[str, str]:
        cdn = {"ingestionType": "rtmp", "resolution": "variable", "frameRate": "variable"}
        body = {"snippet": {"title": "Studio"}, "cdn": cdn}
        status, made = await self.call("POST", "/liveStreams", body, part="snippet,cdn,status")
        assert status == 200, made
        return made["id"], made["cdn"]["ingestionInfo"]["streamName"]

    async def bound(self, **details: object) -> tuple[str, str]:
        """A broadcast that is bound, and the key of its stream."""
        broadcast, (stream, key) = await self.broadcast(**details), await self.stream()
        status, made = await self.call(
            "POST", "/liveBroadcasts/bind", id=broadcast, streamId=stream, part="id,contentDetails"
        )
        assert (status, made["contentDetails"]["boundStreamId"]) == (200, stream)
        return broadcast, key

    async def transition(self, broadcast: str, wanted: str) -> tuple[int, str]:
        """The status and what the broadcast is then, or why not."""
        status, made = await self.call(
            "POST", "/liveBroadcasts/transition", id=broadcast, broadcastStatus=wanted, part="id,status"
        )
        return status, made["status"]["lifeCycleStatus"] if status == 200 else reason(made)

    async def life(self, broadcast: str) -> str:
        _, made = await self.call("GET", "/liveBroadcasts", id=broadcast, part="id,status")
        return str(made["items"][0]["status"]["lifeCycleStatus"])


def reason(body: dict[str, Any]) -> str:
    """Google's word for what went wrong."""
    return str(body["error"]["errors"][0]["reason"])
