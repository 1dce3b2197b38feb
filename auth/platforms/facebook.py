"""Connecting a Facebook account and its pages.

Facebook has no refresh tokens. A token from the login lives for an hour or two and is exchanged for one of
about 60 days; that one can be exchanged again while it is valid. The tokens of pages that are read with it
last until somebody takes them back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from auth.errors import AuthUnavailable, PlatformRefused
from auth.platforms.login import Identity, Page, PlatformLogin, Scope, bearer
from auth.platforms.oauth import AppClient, DeviceCode, Endpoints, Tokens, device_code_of
from auth.tokens.provider_keys import json_object

VERSION = "v26.0"
PROFILE = "publish_video"
PAGES = ("pages_show_list", "pages_read_engagement", "pages_manage_posts")
# Exchanged again when half of the 60 days is over: once a month, and a month of failures does no harm.
_EXCHANGE_BEFORE_S = 30 * 86_400.0
_MAX_PAGES = 500
# Graph API, "Facebook Login for Devices": the subcodes of its errors.
_DEVICE_CODES = {
    1349174: "authorization_pending",
    1349172: "slow_down",
    1349152: "expired_token",
    1349175: "access_denied",
}


class FacebookLogin(PlatformLogin):
    """Facebook."""

    platform = "facebook"
    name = "Facebook"
    separator = ","
    scopes = (
        Scope("pages_show_list", "to list the pages that can be published to", needed=False),
        Scope(
            "pages_read_engagement", "to read health and viewer count of a page's live video", needed=False
        ),
        Scope("pages_manage_posts", "to create and end live videos on a page", needed=False),
        Scope(PROFILE, "to create and end live videos on the profile itself", needed=False),
    )

    def endpoints(self) -> Endpoints:
        """Facebook's."""
        return Endpoints(
            self.options.at("www.facebook.com", f"/{VERSION}/dialog/oauth"),
            self._graph("/oauth/access_token"),
            self._graph("/device/login"),
        )

    @property
    def has_device(self) -> bool:
        """With the application's client token."""
        return bool(self.options.client_token)

    def missing(self, scopes: frozenset[str]) -> tuple[str, ...]:
        """Either those for pages or the one for the profile will do."""
        if PROFILE in scopes:
            return ()
        return tuple(scope for scope in PAGES if scope not in scopes)

    def acts_as_account(self, scopes: frozenset[str]) -> bool:
        """With the permission for the profile."""
        return PROFILE in scopes

    async def redeem(self, code: str, verifier: str, redirect_uri: str) -> Tokens:
        """A token of 60 days."""
        client = self.options.client
        form = {
            "client_id": client.id,
            "client_secret": client.secret,
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        answer = await self._post("/oauth/access_token", form)
        return await self._exchange(self.oauth(client).tokens_of(answer), client)

    def is_due(self, tokens: Tokens, now: float) -> bool:
        """Long before it ends, because afterwards it is too late."""
        return tokens.expires_at is not None and now >= tokens.expires_at - _EXCHANGE_BEFORE_S

    async def refresh(self, tokens: Tokens, client: AppClient) -> Tokens:
        """Exchange it while it is valid."""
        return await self._exchange(tokens, client)

    async def identify(self, tokens: Tokens) -> Identity:
        """The account, what it granted, and its pages with their tokens."""
        me = await self._get("/me?fields=id,name", tokens)
        entries = (await self._get("/me/permissions", tokens)).get("data")
        scopes = frozenset(
            str(entry.get("permission"))
            for entry in (entries if isinstance(entries, list) else ())
            if isinstance(entry, dict) and entry.get("status") == "granted"
        )
        pages = await self._pages(tokens) if scopes.issuperset(PAGES) else ()
        return Identity(str(me.get("id", "")), str(me.get("name", "")), scopes, pages)

    async def revoke(self, tokens: Tokens, client: AppClient) -> None:
        """Take back every permission, which makes all tokens worthless."""
        fetched = await self.fetch("DELETE", self._graph("/me/permissions"), headers=bearer(tokens))
        if fetched.status >= 500:
            raise AuthUnavailable(f"Facebook answers with status {fetched.status}")
        if (
            fetched.status != 200
            and (refused := graph_refusal(fetched.status, fetched.body)).code != "invalid_grant"
        ):
            raise refused

    async def begin_device(self) -> DeviceCode:
        """As Facebook Login for Devices does it."""
        form = {"access_token": self._device_token(), "scope": self._scope()}
        answer = await self._post("/device/login", form)
        return device_code_of(answer, self.clock(), self.name)

    async def poll_device(self, code: DeviceCode) -> Tokens:
        """A token of 60 days."""
        form = {"access_token": self._device_token(), "code": code.device_code}
        answer = await self._post("/device/login_status", form)
        return await self._exchange(self.oauth(self.device_client).tokens_of(answer), self.device_client)

    async def _exchange(self, tokens: Tokens, client: AppClient) -> Tokens:
        query = {
            "grant_type": "fb_exchange_token",
            "client_id": client.id,
            "client_secret": client.secret,
            "fb_exchange_token": tokens.access,
        }
        # As a form, not in the address, where proxies would write it down.
        answer = await self._post("/oauth/access_token", query)
        # Some exchanged tokens have no end, and then it is not told.
        return self.oauth(client).tokens_of({"expires_in": 0, **answer})

    async def _pages(self, tokens: Tokens) -> tuple[Page, ...]:
        found: list[Page] = []
        after = ""
        while len(found) < _MAX_PAGES:
            path = "/me/accounts?fields=id,name,access_token,tasks&limit=100"
            answer = await self._get(path + (f"&after={quote(after, safe='')}" if after else ""), tokens)
            entries = answer.get("data")
            for entry in entries if isinstance(entries, list) else ():
                tasks = entry.get("tasks")
                if isinstance(tasks, list) and "CREATE_CONTENT" not in tasks:
                    continue
                found.append(
                    Page(str(entry["id"]), str(entry.get("name", "")), str(entry.get("access_token", "")))
                )
            paging = answer.get("paging")
            paging = paging if isinstance(paging, dict) else {}
            cursors = paging.get("cursors")
            after = str(cursors.get("after", "")) if paging.get("next") and isinstance(cursors, dict) else ""
            if not after:
                break
        return tuple(found)

    async def _get(self, path: str, tokens: Tokens) -> dict[str, Any]:
        return await self._graph_answer("GET", path, bearer(tokens), None)

    async def _post(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self._graph_answer("POST", path, headers, urlencode(form).encode())

    async def _graph_answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> dict[str, Any]:
        fetched = await self.fetch(
            method, self._graph(path), headers={"Accept": "application/json", **headers}, body=body
        )
        if fetched.status >= 500:
            raise AuthUnavailable(f"Facebook answers with status {fetched.status}")
        if fetched.status != 200:
            raise graph_refusal(fetched.status, fetched.body)
        return json_object(fetched.body, "Facebook")

    def _graph(self, path: str) -> str:
        return self.options.at("graph.facebook.com", f"/{VERSION}{path}")

    def _device_token(self) -> str:
        return f"{self.device_client.id}|{self.options.client_token}"


def graph_refusal(status: int, body: bytes) -> PlatformRefused:
    """What an error of the Graph API means for a connection."""
    try:
        said = json.loads(body).get("error")
        code, subcode = int(said.get("code", 0)), int(said.get("error_subcode", 0))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return PlatformRefused(f"status_{status}", f"Facebook answers with status {status}")
    if subcode in _DEVICE_CODES:
        return PlatformRefused(_DEVICE_CODES[subcode], f"Facebook says {_DEVICE_CODES[subcode]}")
    if code in (190, 102):
        return PlatformRefused("invalid_grant", "Facebook does not take the token any more")
    return PlatformRefused(f"graph_{code}", f"Facebook refuses with its error {code}")
