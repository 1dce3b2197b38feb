"""A provider's signing keys: fetched when needed, and again, not too often, when an unknown one is used."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import jwt

from auth.errors import AuthUnavailable, TokenInvalid

_MAX_BODY_BYTES = 1_000_000
_KEEP_S = 3600.0
# An unknown key id is in every token that somebody makes up.
_REFETCH_AFTER_S = 30.0
#: Signatures that count; never "none", and no secret that both sides know.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


@dataclass(frozen=True, slots=True)
class Fetched:
    """An HTTP answer.

    Attributes:
        headers: by their names in lower case.
    """

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Fetch(Protocol):
    """How this package speaks HTTP: somebody else does it, with timeouts, without following redirects."""

    async def __call__(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Fetched:
        """Send a request.

        Raises:
            AuthUnavailable: there was no answer.
        """
        ...


async def fetch_json(fetch: Fetch, url: str, *, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Get a JSON object.

    Raises:
        AuthUnavailable: there was no answer, or it is not one.
    """
    fetched = await fetch("GET", url, headers={"Accept": "application/json", **(headers or {})})
    if fetched.status != 200:
        raise AuthUnavailable(f"{url} answers with status {fetched.status}")
    return json_object(fetched.body, url)


def json_object(body: bytes, url: str) -> dict[str, Any]:
    """Parse what `url` answered.

    Raises:
        AuthUnavailable: it is not a JSON object of sane size.
    """
    try:
        parsed = json.loads(body) if len(body) <= _MAX_BODY_BYTES else None
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise AuthUnavailable(f"{url} does not answer with a JSON object")
    return parsed


class KeySet:
    """The keys at one address.

    Args:
        fetch: speaks HTTP.
        monotonic: seconds.
    """

    def __init__(self, fetch: Fetch, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._keys: list[jwt.PyJWK] = []
        self._url = ""
        self._fetched_at = float("-inf")

    async def key_of(self, token: str, url: str) -> jwt.PyJWK:
        """The key that a token says it was signed with.

        Args:
            token: a JWT.
            url: where the keys are.

        Raises:
            TokenInvalid: it is no token, its algorithm does not count, or there is no such key.
            AuthUnavailable: the keys cannot be fetched.
        """
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise TokenInvalid("it is not a JWT") from None
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS:
            raise TokenInvalid("its algorithm does not count")
        age_s = self._monotonic() - self._fetched_at
        if url != self._url or age_s >= _KEEP_S:
            await self._refresh(url)
        key = self._find(kid, algorithm)
        if key is None and self._monotonic() - self._fetched_at >= _REFETCH_AFTER_S:
            await self._refresh(url)
            key = self._find(kid, algorithm)
        if key is None:
            raise TokenInvalid("its key is unknown")
        return key

    def _find(self, kid: object, algorithm: str) -> jwt.PyJWK | None:
        fitting = [key for key in self._keys if _family(key) == _FAMILIES[algorithm[:2]]]
        named = [key for key in fitting if key.key_id == kid]
        if kid is None and len(fitting) == 1:
            return fitting[0]
        return named[0] if len(named) == 1 else None

    async def _refresh(self, url: str) -> None:
        found = (await fetch_json(self._fetch, url)).get("keys")
        keys = []
        for each in found if isinstance(found, list) else ():
            if not isinstance(each, dict) or each.get("use", "sig") != "sig":
                continue
            try:
                keys.append(jwt.PyJWK.from_dict(each))
            except jwt.PyJWTError:
                continue  # a kind of key that is not known here
        self._keys, self._url, self._fetched_at = keys, url, self._monotonic()


_FAMILIES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


def _family(key: jwt.PyJWK) -> str:
    return key.key_type or ""
