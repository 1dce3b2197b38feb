"""What connecting to a platform takes, whichever it is; one subclass for each says how it differs.

Read `auth.platforms.connections` for how the steps follow one another.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from auth.addresses import is_safe
from auth.errors import AuthUnavailable, PlatformRefused
from auth.platforms.oauth import AppClient, DeviceCode, Endpoints, OAuthClient, Tokens
from auth.tokens.provider_keys import Fetch, json_object


@dataclass(frozen=True, slots=True)
class Scope:
    """A permission that is asked for, and why.

    Attributes:
        name: as the platform calls it.
        reason: for whoever is asked.
        needed: whether nothing works without it.
    """

    name: str
    reason: str
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """What an account can publish as, besides itself.

    Attributes:
        token: speaks for the page; a secret.
    """

    id: str
    name: str
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose account it is.

    Attributes:
        subject: the platform's id for it.
        name: for people.
        scopes: what was really granted.
    """

    subject: str
    name: str
    scopes: frozenset[str]
    pages: tuple[Page, ...] = ()


@dataclass(frozen=True, slots=True)
class PlatformOptions:
    """How this installation is registered with a platform.

    Attributes:
        client: for browsers.
        device_client: for device codes, where that must be another one; None for the same.
        client_token: Facebook's, for device codes; "" for none.
        base_url: of a stand-in, which has all of the platform's addresses below it; "" for the platform.

    Raises:
        ValueError: the stand-in's address is neither HTTPS nor on this machine.
    """

    client: AppClient
    device_client: AppClient | None = None
    client_token: str = field(default="", repr=False)
    base_url: str = ""

    def __post_init__(self) -> None:
        if self.base_url and not is_safe(self.base_url):
            raise ValueError("expected https://host/path, or http:// on this machine")

    def at(self, host: str, path: str) -> str:
        """An address of the platform's, or the stand-in's."""
        return f"{self.base_url.rstrip('/') or 'https://' + host}{path}"


class PlatformLogin(ABC):
    """One platform.

    Args:
        options: how this installation is registered there.
        fetch: speaks HTTP.
        clock: seconds since 1970.
    """

    platform: ClassVar[str]
    name: ClassVar[str]
    scopes: ClassVar[tuple[Scope, ...]]
    separator: ClassVar[str] = " "
    #: How often a connection is looked at without being used; None: when it is used.
    check_every_s: ClassVar[float | None] = None

    def __init__(
        self, options: PlatformOptions, fetch: Fetch, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.options = options
        self.fetch = fetch
        self.clock = clock

    @abstractmethod
    def endpoints(self) -> Endpoints:
        """The authorization server's."""

    @abstractmethod
    async def identify(self, tokens: Tokens) -> Identity:
        """Whose account it is, and what was granted.

        Raises:
            PlatformRefused: the token does not count, or the account cannot be used.
            AuthUnavailable: no answer.
        """

    @property
    def has_device(self) -> bool:
        """Whether it can be connected with a device code."""
        return True

    @property
    def device_client(self) -> AppClient:
        """The application that asks for device codes."""
        return self.options.device_client or self.options.client

    def client(self, client_id: str) -> AppClient | None:
        """The application with this id, if it is still one of ours."""
        known = (self.options.client, self.device_client)
        return next((client for client in known if client.id == client_id), None)

    def oauth(self, client: AppClient) -> OAuthClient:
        """The platform's authorization server, as one application of ours sees it."""
        return OAuthClient(self.name, self.endpoints(), client, self.fetch, clock=self.clock)

    def authorize_url(self, redirect_uri: str, state: str, challenge: str) -> str:
        """Where to send the browser."""
        oauth = self.oauth(self.options.client)
        return oauth.authorize_url(redirect_uri, self._scope(), state, challenge, self._more())

    async def redeem(self, code: str, verifier: str, redirect_uri: str) -> Tokens:
        """As `OAuthClient.redeem`; tokens that last."""
        return await self.oauth(self.options.client).redeem(code, verifier, redirect_uri)

    def is_due(self, tokens: Tokens, now: float) -> bool:
        """Whether tokens should be refreshed before they are used."""
        return not tokens.is_fresh(now)

    async def refresh(self, tokens: Tokens, client: AppClient) -> Tokens:
        """As `OAuthClient.refresh`.

        Raises:
            PlatformRefused: only somebody who connects again can help.
        """
        if not tokens.refresh:
            raise PlatformRefused("invalid_grant", f"{self.name} gave no refresh token")
        return await self.oauth(client).refresh(tokens)

    async def check(self, tokens: Tokens) -> None:  # noqa: B027 - most platforms need none
        """Ask whether an access token still counts; see `check_every_s`.

        Raises:
            PlatformRefused: it does not.
            AuthUnavailable: no answer.
        """

    async def revoke(self, tokens: Tokens, client: AppClient) -> None:
        """Have the platform forget what was granted; what it does not know any more is no error.

        Raises:
            PlatformRefused, AuthUnavailable: it may not have done so.
        """
        form = {"token": tokens.refresh or tokens.access}
        try:
            await self.oauth(client).post(self.endpoints().revoke, form)
        except PlatformRefused as error:
            if error.code not in ("invalid_token", "invalid_grant"):
                raise

    async def begin_device(self) -> DeviceCode:
        """As `OAuthClient.begin_device`."""
        return await self.oauth(self.device_client).begin_device({"scope": self._scope()})

    async def poll_device(self, code: DeviceCode) -> Tokens:
        """As `OAuthClient.poll_device`; tokens that last."""
        return await self.oauth(self.device_client).poll_device(code.device_code, {})

    def missing(self, scopes: frozenset[str]) -> tuple[str, ...]:
        """The scopes that were not granted and nothing works without."""
        return tuple(scope.name for scope in self.scopes if scope.needed and scope.name not in scopes)

    def acts_as_account(self, scopes: frozenset[str]) -> bool:
        """Whether the account itself, not only its pages, can be published to."""
        return True

    async def ask(self, url: str, headers: Mapping[str, str]) -> dict[str, Any]:
        """A JSON object of the platform's API.

        Raises:
            PlatformRefused: `invalid_token`, or another of its reasons as `api_…`.
            AuthUnavailable: no answer.
        """
        fetched = await self.fetch("GET", url, headers={"Accept": "application/json", **headers})
        if fetched.status == 401:
            raise PlatformRefused("invalid_token", f"{self.name} does not take the token")
        if fetched.status >= 500 or fetched.status == 429:
            raise AuthUnavailable(f"{self.name} answers with status {fetched.status}")
        if fetched.status != 200:
            raise PlatformRefused(
                f"api_{fetched.status}", f"{self.name} answers with status {fetched.status}"
            )
        return json_object(fetched.body, self.name)

    def _scope(self) -> str:
        return self.separator.join(scope.name for scope in self.scopes)

    def _more(self) -> Mapping[str, str]:
        """The platform's own parameters of the authorization request."""
        return {}


def bearer(tokens: Tokens) -> dict[str, str]:
    """The header that presents an access token."""
    return {"Authorization": f"Bearer {tokens.access}"}
