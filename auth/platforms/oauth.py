"""OAuth 2.0 as a client: what is the same for every platform that an account is connected to.

Authorization code with PKCE (RFC 6749 section 4.1, RFC 7636), device code (RFC 8628), refresh (section 6),
revocation (RFC 7009). Each platform's own ways are in `auth.platforms.youtube` and its neighbours;
`auth.platforms.connections` ties the steps together and keeps what comes of them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from auth.errors import AuthUnavailable, PlatformRefused
from auth.tokens.provider_keys import Fetch, json_object

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_VERIFIER_BYTES = 48
# A token is refreshed so long before its end: requests take time, and clocks differ.
EARLY_S = 120.0
_DEFAULT_LIFETIME_S = 3600.0
_DEFAULT_INTERVAL_S = 5.0


@dataclass(frozen=True, slots=True)
class AppClient:
    """An application as registered with a platform.

    Attributes:
        secret: "" where the platform gave none.
    """

    id: str
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a platform's authorization server is; "" for what it does not have."""

    authorize: str
    token: str
    device: str = ""
    revoke: str = ""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a platform gave out.

    Attributes:
        refresh: "" where there is none.
        expires_at: of the access token, seconds since 1970; None for never or not known.
        scopes: what was granted; None where the answer does not say.
        refresh_expires_at: of the refresh token; None for never or not known.
    """

    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    expires_at: float | None = None
    scopes: frozenset[str] | None = None
    refresh_expires_at: float | None = None

    @property
    def lasts_until(self) -> float | None:
        """When nothing but connecting again helps, as far as the platform tells."""
        return self.refresh_expires_at if self.refresh else self.expires_at

    def is_fresh(self, now: float) -> bool:
        """Whether the access token is good for a while."""
        return self.expires_at is None or now < self.expires_at - EARLY_S


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What somebody types in on another screen, and what is asked with meanwhile.

    Attributes:
        user_code: to be shown.
        verification_url: to be shown with it.
        expires_at: seconds since 1970.
        interval_s: how far apart questions must be.
    """

    device_code: str = field(repr=False)
    user_code: str
    verification_url: str
    expires_at: float
    interval_s: float


def new_verifier() -> str:
    """A PKCE verifier of 64 characters (RFC 7636 section 4.1)."""
    return secrets.token_urlsafe(_VERIFIER_BYTES)


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


class OAuthClient:
    """One application at one authorization server.

    Args:
        name: of the platform, for people.
        fetch: speaks HTTP.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        name: str,
        endpoints: Endpoints,
        client: AppClient,
        fetch: Fetch,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.endpoints = endpoints
        self.client = client
        self._fetch = fetch
        self._clock = clock

    def authorize_url(
        self, redirect_uri: str, scope: str, state: str, challenge: str, more: Mapping[str, str]
    ) -> str:
        """Where to send the browser.

        Args:
            redirect_uri: where it comes back to, as registered.
            scope: as the platform separates them.
            state: comes back with it.
            challenge: PKCE's, S256.
            more: the platform's own parameters.
        """
        parameters = {
            "response_type": "code",
            "client_id": self.client.id,
            "redirect_uri": redirect_uri,
            "scope": scope,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **more,
        }
        separator = "&" if urlsplit(self.endpoints.authorize).query else "?"
        return f"{self.endpoints.authorize}{separator}{urlencode(parameters)}"

    async def redeem(self, code: str, verifier: str, redirect_uri: str) -> Tokens:
        """Exchange a code for tokens.

        Raises:
            PlatformRefused: the code does not count, or the platform does not know this application.
            AuthUnavailable: no answer.
        """
        return self.tokens_of(
            await self.ask_token(
                {
                    "grant_type": "authorization_code",
                    "code": code,
                    "redirect_uri": redirect_uri,
                    "code_verifier": verifier,
                }
            )
        )

    async def refresh(self, tokens: Tokens) -> Tokens:
        """New tokens; the refresh token stays where the answer has no other.

        Raises:
            PlatformRefused: `invalid_grant`, it was revoked or has expired.
            AuthUnavailable: no answer.
        """
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh}
        return self.tokens_of(await self.ask_token(form), before=tokens)

    async def begin_device(self, form: Mapping[str, str]) -> DeviceCode:
        """Ask for a pair of codes (RFC 8628 section 3.1).

        Raises:
            PlatformRefused: not for this application, or not these scopes.
            AuthUnavailable: no answer.
        """
        answer = await self.post(self.endpoints.device, {"client_id": self.client.id, **form})
        return device_code_of(answer, self._clock(), self.name)

    async def poll_device(self, device_code: str, more: Mapping[str, str]) -> Tokens:
        """What came of a pair of codes.

        Raises:
            PlatformRefused: `authorization_pending`, `slow_down`, `access_denied`, `expired_token`.
            AuthUnavailable: no answer.
        """
        form = {"grant_type": DEVICE_GRANT, "device_code": device_code, **more}
        return self.tokens_of(await self.ask_token(form))

    async def ask_token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """A question to the token endpoint, with this application's id and secret."""
        mine = {"client_id": self.client.id}
        if self.client.secret:
            mine["client_secret"] = self.client.secret
        return await self.post(self.endpoints.token, {**mine, **form})

    async def post(self, url: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Post a form; the answer, if it is success.

        Raises:
            PlatformRefused: it is another; with the platform's word for it.
            AuthUnavailable: there is none, or the platform itself has failed.
        """
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        fetched = await self._fetch("POST", url, headers=headers, body=urlencode(form).encode())
        if fetched.status >= 500 or fetched.status == 429:
            raise AuthUnavailable(f"{self.name} answers with status {fetched.status}")
        if 200 <= fetched.status < 300:
            return json_object(fetched.body or b"{}", self.name)
        raise refusal_of(self.name, fetched.status, fetched.body)

    def tokens_of(self, answer: Mapping[str, Any], before: Tokens | None = None) -> Tokens:
        """The tokens in an answer (RFC 6749 section 5.1).

        Raises:
            AuthUnavailable: there are none.
        """
        access = answer.get("access_token")
        if not isinstance(access, str) or not access:
            raise AuthUnavailable(f"{self.name} answers without a token")
        refresh = answer.get("refresh_token")
        known = before.refresh if before is not None else ""
        scopes = scopes_of(answer.get("scope"))
        ends_at = before.refresh_expires_at if before is not None else None
        if "refresh_token_expires_in" in answer:
            ends_at = self._expires_at(answer["refresh_token_expires_in"])
        return Tokens(
            access,
            refresh if isinstance(refresh, str) and refresh else known,
            self._expires_at(answer.get("expires_in")),
            scopes if scopes is not None else before.scopes if before is not None else None,
            ends_at,
        )

    def _expires_at(self, expires_in: object) -> float | None:
        # Some write the number as text; 0 is Facebook's and Twitch's way of saying never.
        try:
            seconds = float(str(expires_in)) if expires_in is not None else _DEFAULT_LIFETIME_S
        except ValueError:
            seconds = _DEFAULT_LIFETIME_S
        return self._clock() + seconds if seconds > 0 else None


def scopes_of(said: object) -> frozenset[str] | None:
    """Scopes as one text, separated by spaces (RFC 6749 section 3.3) or commas, or as a list (Twitch)."""
    if isinstance(said, str):
        return frozenset(re.split(r"[ ,]+", said.strip())) - {""}
    if isinstance(said, list):
        return frozenset(str(scope) for scope in said)
    return None


def device_code_of(answer: Mapping[str, Any], now: float, name: str) -> DeviceCode:
    """The codes in an answer (RFC 8628 section 3.2).

    Raises:
        AuthUnavailable: there are none.
    """
    # Google calls it a URL; the RFC, which came later, a URI. With Facebook the code is just "code".
    url = answer.get("verification_uri") or answer.get("verification_url")
    device, user = answer.get("device_code") or answer.get("code"), answer.get("user_code")
    if not (isinstance(device, str) and isinstance(user, str) and isinstance(url, str)):
        raise AuthUnavailable(f"{name} answers without a device code")
    try:
        lifetime_s = float(answer.get("expires_in", 600))
        interval_s = float(answer.get("interval", _DEFAULT_INTERVAL_S))
    except (TypeError, ValueError):
        lifetime_s, interval_s = 600.0, _DEFAULT_INTERVAL_S
    return DeviceCode(device, user, url, now + lifetime_s, max(1.0, interval_s))


def refusal_of(name: str, status: int, body: bytes) -> PlatformRefused:
    """A platform's no, in whichever of the usual forms it says it; quotes no more than its word for it."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    word: object = ""
    if isinstance(said, dict):
        error = said.get("error")
        # Twitch has a status text there, and the word in `message`.
        word = (
            error
            if isinstance(error, str) and not isinstance(said.get("status"), int)
            else said.get("message")
        )
        if isinstance(error, dict):
            word = error.get("status") or error.get("type") or error.get("code")
    code = re.sub(r"[^a-z0-9_]", "", str(word or "").lower().replace(" ", "_"))[:48] or f"status_{status}"
    return PlatformRefused(code, f"{name} refuses: {code}")
