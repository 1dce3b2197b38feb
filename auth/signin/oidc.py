"""Single sign-on with OpenID Connect: the authorization code flow with PKCE.

Two steps, each a page of ours: `begin` sends the browser to the provider, `finish` takes what it brings back.
What ties them together: `state` (this answer is to that question), a cookie (the same browser asked), `nonce`
(the ID token was made for it) and the PKCE verifier (the code is of use to nobody else). See OpenID Connect
Core 1.0, RFC 7636, RFC 9207 and RFC 9700.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import jwt

from auth.accounts.external import Arrival
from auth.addresses import is_safe, local_path
from auth.errors import AuthUnavailable, BadCredentials, TokenExpired, TokenInvalid
from auth.storage.pending import Pending
from auth.tokens.claims import reason_of
from auth.tokens.provider_keys import Fetch, KeySet, KeySource, PublishedKey, fetch_json, json_object
from auth.vault.comparing import same_secret

BEGUN_S = 600.0
_KEEP_DISCOVERY_S = 3600.0
_KEEP_KEYS_S = 3600.0
_MAX_KEYS_AGE_S = 86_400.0
_LEEWAY_S = 60


@dataclass(frozen=True, slots=True)
class OidcOptions:
    """A provider.

    Attributes:
        name: what it is called here, as in `oidc:<name>`.
        issuer: as it calls itself, to the letter; HTTPS, unless it is this machine.
        client_secret: "" for a public client.
        name_claim: what users are called here; the e-mail address, else the subject, stands in.
        groups_claim: where groups are; in both dots lead into objects, as `realm_access.roles`.
        groups: a group's name there to its name here; empty to leave groups alone.
        creates: whether a first login makes an account.

    Raises:
        ValueError: the issuer is no such address.
    """

    name: str
    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    name_claim: str = "preferred_username"
    groups_claim: str = "groups"
    groups: Mapping[str, str] = field(default_factory=dict)
    creates: bool = True

    def __post_init__(self) -> None:
        if not is_safe(self.issuer):
            raise ValueError(f"{self.issuer!r}: expected https://host, or http:// on this machine")

    @property
    def provider(self) -> str:
        """The source of accounts and memberships."""
        return f"oidc:{self.name}"


@dataclass(frozen=True, slots=True)
class Departure:
    """Where to send the browser.

    Attributes:
        url: the provider's.
        binding: for a cookie of `BEGUN_S` seconds, HttpOnly, SameSite=Lax, to be brought to `finish`.
    """

    url: str
    binding: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Return:
    """Who came back.

    Attributes:
        with_factor: whether the provider says that it asked for two.
        return_to: where on this site they wanted to go.
    """

    arrival: Arrival
    with_factor: bool
    return_to: str


@dataclass(frozen=True, slots=True)
class _Begun:
    binding: str
    nonce: str
    verifier: str
    redirect_uri: str
    return_to: str


class Oidc:
    """One provider.

    Args:
        options: which.
        fetch: speaks HTTP.
        monotonic: seconds.
    """

    def __init__(
        self, options: OidcOptions, fetch: Fetch, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.options = options
        self._fetch = fetch
        self._monotonic = monotonic
        self._begun: Pending[_Begun] = Pending(BEGUN_S, monotonic=monotonic)
        self._keys = KeySet(KeySource(""), fetch, monotonic=monotonic)
        self._document: dict[str, Any] = {}
        self._discovered_at = float("-inf")

    async def begin(self, redirect_uri: str, return_to: str = "/") -> Departure:
        """Send somebody to the provider.

        Args:
            redirect_uri: the page that calls `finish`, as registered there.
            return_to: where to go afterwards; another site becomes "/".

        Raises:
            AuthUnavailable: the provider does not answer.
        """
        endpoint = await self._endpoint("authorization_endpoint")
        verifier = secrets.token_urlsafe(48)
        begun = _Begun(
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(24),
            verifier,
            redirect_uri,
            local_path(return_to),
        )
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        parameters = {
            "response_type": "code",
            "client_id": self.options.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self.options.scopes),
            "state": self._begun.add(begun),
            "nonce": begun.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        separator = "&" if urlsplit(endpoint).query else "?"
        return Departure(f"{endpoint}{separator}{urlencode(parameters)}", begun.binding)

    async def finish(self, parameters: Mapping[str, str], binding: str) -> Return:
        """Take what the browser brought back.

        Args:
            parameters: of the request to `redirect_uri`.
            binding: from the cookie.

        Raises:
            BadCredentials: this browser did not ask, asked too long ago, or the provider or user said no.
            TokenInvalid, TokenExpired: the ID token cannot be believed.
            AuthUnavailable: the provider does not answer.
        """
        begun = self._begun.take(parameters.get("state", ""))
        if begun is None or not same_secret(binding, begun.binding):
            raise BadCredentials("this login was not begun in this browser, or too long ago; begin again")
        issuer = self.options.issuer
        if parameters.get("iss", issuer) != issuer:
            raise TokenInvalid("it comes from another provider")
        if "error" in parameters:
            said = re.sub(r"[^a-z_]", "", parameters["error"])[:64]
            raise BadCredentials(f"the identity provider says: {said}")
        tokens = await self._redeem(parameters.get("code", ""), begun)
        claims = await self._verify(str(tokens.get("id_token", "")), begun.nonce)
        claims = await self._complete(claims, tokens)
        methods = claims.get("amr")
        return Return(self._arrival(claims), isinstance(methods, list) and "mfa" in methods, begun.return_to)

    async def _redeem(self, code: str, begun: _Begun) -> dict[str, Any]:
        endpoint = await self._endpoint("token_endpoint")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": begun.redirect_uri,
            "code_verifier": begun.verifier,
        }
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        client, secret = self.options.client_id, self.options.client_secret
        # Basic is what a provider that says nothing takes (OpenID Connect Discovery 1.0, section 3).
        methods = self._document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if secret and "client_secret_basic" in methods:
            pair = f"{quote(client, safe='')}:{quote(secret, safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form |= {"client_id": client, "client_secret": secret} if secret else {"client_id": client}
        fetched = await self._fetch("POST", endpoint, headers=headers, body=urlencode(form).encode())
        answer = json_object(fetched.body, endpoint)
        if fetched.status != 200:
            said = re.sub(r"[^a-z_]", "", str(answer.get("error")))[:64]
            if said == "invalid_grant":
                raise BadCredentials("the identity provider does not know this login; begin again")
            raise AuthUnavailable(f"the identity provider refuses this server: {said or fetched.status}")
        return answer

    async def _verify(self, token: str, nonce: str) -> dict[str, Any]:
        key = await self._key_of(token)
        try:
            claims = jwt.decode(
                token,
                key.material,
                algorithms=sorted(key.algorithms),
                audience=self.options.client_id,
                issuer=self.options.issuer,
                leeway=_LEEWAY_S,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except jwt.PyJWTError as error:
            raise TokenInvalid(reason_of(error)) from None
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and "azp" not in claims:
            raise TokenInvalid("the ID token is for several, and does not say for whom")
        if claims.get("azp", self.options.client_id) != self.options.client_id:
            raise TokenInvalid("the ID token was issued to another client")
        if not same_secret(str(claims.get("nonce", "")), nonce):
            raise TokenInvalid("the ID token belongs to another login")
        return claims

    async def _key_of(self, token: str) -> PublishedKey:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
        except jwt.PyJWTError:
            raise TokenInvalid("it is not a JWT") from None
        url = await self._endpoint("jwks_uri")
        if url != self._keys.source.url:
            self._keys = KeySet(KeySource(url), self._fetch, monotonic=self._monotonic)
        if self._keys.age_s >= _KEEP_KEYS_S or self._keys.find(kid) is None:
            await self._keys.refresh()
        if self._keys.age_s >= _MAX_KEYS_AGE_S:
            raise AuthUnavailable(f"the keys of {self.options.issuer} cannot be had")
        key = self._keys.find(kid)
        if key is None:
            raise TokenInvalid("its key is unknown")
        return key

    async def _complete(self, claims: dict[str, Any], tokens: dict[str, Any]) -> dict[str, Any]:
        """Add what only the userinfo endpoint tells; what is signed wins."""
        endpoint, access = self._document.get("userinfo_endpoint"), tokens.get("access_token")
        told = _claim(claims, self.options.name_claim) is not None and (
            not self.options.groups or _claim(claims, self.options.groups_claim) is not None
        )
        if told or not isinstance(endpoint, str) or not isinstance(access, str) or not is_safe(endpoint):
            return claims
        more = await fetch_json(self._fetch, endpoint, headers={"Authorization": f"Bearer {access}"})
        if more.get("sub") != claims["sub"]:
            raise TokenInvalid("the provider speaks of somebody else")
        return {**more, **claims}

    def _arrival(self, claims: dict[str, Any]) -> Arrival:
        def text(claim: str) -> str:
            value = _claim(claims, claim)
            return value if isinstance(value, str) else ""

        # Some providers write it as text.
        unverified = str(claims.get("email_verified")).casefold() == "false"
        email = "" if unverified else text("email")
        return Arrival(
            self.options.provider,
            str(claims["sub"]),
            text(self.options.name_claim) or email or str(claims["sub"]),
            text("name"),
            email,
            self._groups(claims),
        )

    def _groups(self, claims: dict[str, Any]) -> frozenset[str] | None:
        if not self.options.groups:
            return None
        # Many providers leave the claim out for who is in no group; so that is what its absence means.
        found = _claim(claims, self.options.groups_claim)
        names = [found] if isinstance(found, str) else found if isinstance(found, list) else []
        return frozenset(
            self.options.groups[name]
            for name in names
            if isinstance(name, str) and name in self.options.groups
        )

    async def _endpoint(self, name: str) -> str:
        if self._monotonic() - self._discovered_at >= _KEEP_DISCOVERY_S:
            url = self.options.issuer.rstrip("/") + "/.well-known/openid-configuration"
            document = await fetch_json(self._fetch, url)
            if document.get("issuer") != self.options.issuer:
                raise AuthUnavailable(f"{url} speaks for another issuer; expected {self.options.issuer!r}")
            self._document, self._discovered_at = document, self._monotonic()
        endpoint = self._document.get(name)
        if not isinstance(endpoint, str) or not is_safe(endpoint):
            raise AuthUnavailable(f"the identity provider has no usable {name}")
        return endpoint


def _claim(claims: dict[str, Any], path: str) -> object:
    """A claim by its name, or by a path into objects."""
    if path in claims:
        return claims[path]
    value: object = claims
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
