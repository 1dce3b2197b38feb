"""The signing keys that a provider publishes (RFC 7517): how they are fetched, read and kept.

`auth.tokens.jwks` verifies tokens with them, `auth.signin.oidc` logins. They are fetched again when an
unknown one is used, but not too often: an unknown key id is in every token that somebody makes up. Symmetric
algorithms are never accepted: with them whoever can verify can sign. While fetching fails, the keys that are
known stay.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import jwt

from auth.errors import AuthUnavailable

_log = logging.getLogger(__name__)

MAX_DOCUMENT_BYTES = 1 << 18
_MAX_BODY_BYTES = 1_000_000
_MAX_KEYS = 100
_MIN_RSA_BITS = 2048
# After a fetch that failed, if that is sooner.
_RETRY_S = 5.0
#: Signatures that count; never "none", and no secret that both sides know.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
#: By key type and curve; RSA keys that name no algorithm do for all of RSA's.
_FAMILIES: dict[tuple[str, str], frozenset[str]] = {
    ("RSA", ""): frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
    ("OKP", "Ed448"): frozenset({"EdDSA"}),
}


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
    """How `auth` speaks HTTP: somebody else does it, with timeouts, without following redirects."""

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


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """One key of a set.

    Attributes:
        kid: its id, "" for none.
        algorithms: those it may be used with.
        material: what PyJWT verifies with.
    """

    kid: str
    algorithms: frozenset[str]
    material: Any = field(repr=False)
    jwk: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where keys are published, and how often they are asked for.

    Attributes:
        url: https, or http to this machine.
        algorithms: which count at all; a key counts only for its own.
        min_refresh_s: between fetches at least, whatever unknown keys are presented.
        timeout_s: for an answer.
    """

    url: str
    algorithms: Iterable[str] = ALGORITHMS
    min_refresh_s: float = 30.0
    timeout_s: float = 5.0


class KeySet:
    """The keys at one address. `find` and `holds` are thread-safe; the rest belongs to one event loop.

    Args:
        source: where they are.
        fetch: speaks HTTP.
        monotonic: seconds.

    Attributes:
        tried_at: when the latest fetch began, None before the first.
        fetched_at: when that which brought the keys began, None before the first.
    """

    def __init__(
        self, source: KeySource, fetch: Fetch, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.source = source
        self.tried_at: float | None = None
        self.fetched_at: float | None = None
        self._fetch = fetch
        self._monotonic = monotonic
        self._algorithms = frozenset(source.algorithms)
        self._keys: Mapping[str, PublishedKey] = {}
        self._quiet_until = float("-inf")
        self._fetching: asyncio.Task[bool] | None = None

    @property
    def age_s(self) -> float:
        """How old the keys are; infinite before the first."""
        return float("inf") if self.fetched_at is None else self._monotonic() - self.fetched_at

    def find(self, kid: object) -> PublishedKey | None:
        """The key that a token names; a token that names none means the only one there is."""
        keys = self._keys
        if kid in (None, "") and len(keys) == 1:
            return next(iter(keys.values()))
        return keys.get(kid) if isinstance(kid, str) else None

    def holds(self, key: PublishedKey) -> bool:
        """Whether a key that was found before still counts."""
        return self._keys.get(key.kid) is key

    async def refresh(self) -> bool:
        """Fetch the keys, unless that was done less than `min_refresh_s` ago; whether they are new.

        Many that wait at once wait for one fetch.
        """
        if self._fetching is None:
            if self._monotonic() < self._quiet_until:
                return False
            self.tried_at = self._monotonic()
            self._fetching = asyncio.create_task(self._refresh())
        # The fetch serves others too, and goes on when this caller is cancelled.
        return await asyncio.shield(self._fetching)

    def close(self) -> None:
        """Give up what is under way."""
        if self._fetching is not None:
            self._fetching.cancel()

    async def _refresh(self) -> bool:
        started_at = self._monotonic()
        self._quiet_until = started_at + min(self.source.min_refresh_s, _RETRY_S)
        try:
            async with asyncio.timeout(self.source.timeout_s):
                fetched = await self._fetch("GET", self.source.url, headers={"Accept": "application/json"})
            keys = self._read(fetched)
        # Whatever the network, the server or its document does: the keys that are known stay.
        except Exception as error:
            why = error if isinstance(error, ValueError | AuthUnavailable) else type(error).__name__
            _log.warning("keys at %s cannot be had: %s", self.source.url, why)
            return False
        finally:
            self._fetching = None
        changed = {kid: key.jwk for kid, key in keys.items()} != {
            kid: key.jwk for kid, key in self._keys.items()
        }
        # A key that stayed is the same object, and what was verified with it stays remembered.
        self._keys = {
            kid: self._keys[kid] if kid in self._keys and self._keys[kid].jwk == key.jwk else key
            for kid, key in keys.items()
        }
        self.tried_at = self.fetched_at = started_at
        self._quiet_until = started_at + self.source.min_refresh_s
        return changed

    def _read(self, fetched: Fetched) -> dict[str, PublishedKey]:
        if fetched.status != 200:
            raise ValueError(f"status {fetched.status}")
        if len(fetched.body) > MAX_DOCUMENT_BYTES:
            raise ValueError(f"it has {len(fetched.body)} bytes; expected {MAX_DOCUMENT_BYTES} at most")
        try:
            document = json.loads(fetched.body)
        except (ValueError, RecursionError):
            raise ValueError("expected JSON") from None
        entries = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(entries, list):
            raise ValueError('expected a key set, {"keys": [...]}')
        usable = (self._usable(entry) for entry in entries[:_MAX_KEYS] if isinstance(entry, dict))
        keys = {key.kid: key for key in usable if key is not None}
        if not keys:
            raise ValueError("it holds no key that can be used")
        return keys

    def _usable(self, jwk: Mapping[str, Any]) -> PublishedKey | None:
        """One key for verifying; None for what is something else, as sets hold for other purposes."""
        if jwk.get("use", "sig") != "sig":
            return None
        kty, curve, kid = jwk.get("kty"), jwk.get("crv", ""), jwk.get("kid", "")
        if not isinstance(kty, str) or not isinstance(curve, str) or not isinstance(kid, str):
            return None
        algorithms = _FAMILIES.get((kty, "" if kty == "RSA" else curve), frozenset())
        if "alg" in jwk:
            algorithms &= {str(jwk["alg"])}
        algorithms &= self._algorithms
        if not algorithms:
            return None
        try:
            material = jwt.PyJWK(dict(jwk), min(algorithms)).key
        except jwt.PyJWTError:
            return None
        if kty == "RSA" and material.key_size < _MIN_RSA_BITS:
            return None
        return PublishedKey(kid, algorithms, material, dict(jwk))
