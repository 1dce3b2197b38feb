"""Tokens of others: JWTs that an identity provider signed, verified with the keys it publishes (RFC 7517).

The keys are fetched ahead and again in the background, so that verifying needs no network and works in any
thread. A token whose key is not known yet asks for one fetch, which happens no more often than every
`min_refresh_s` whatever is presented. Symmetric algorithms are never accepted: with them whoever can verify
can sign.

Fetching is the caller's: `fetch(url)` gives the body, or raises.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import jwt

from auth.claims import (
    Claims,
    check_times,
    digest_of,
    reason_of,
    text_claim,
    time_claim,
    unverified,
)
from auth.errors import AuthUnavailable, TokenInvalid
from auth.lru import LruCache
from auth.outside import OutsideIssuer

_log = logging.getLogger(__name__)

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]

MAX_DOCUMENT_BYTES = 1 << 18
_MAX_KEYS = 100
_MIN_RSA_BITS = 2048
#: By key type and curve; RSA keys that name no algorithm do for all of RSA's.
_FAMILIES: dict[tuple[str, str], frozenset[str]] = {
    ("RSA", ""): frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
    ("OKP", "Ed448"): frozenset({"EdDSA"}),
}


class KeyNotSeen(TokenInvalid):
    """The issuer published no such key yet, as far as is known here; a fetch was asked for.

    Attributes:
        verifier: whose `refresh` may change that.
    """

    def __init__(self, verifier: JwksVerifier) -> None:
        super().__init__("its issuer publishes no key of this id")
        self.verifier = verifier


@dataclass(frozen=True, slots=True)
class _Key:
    kid: str
    jwk: Mapping[str, Any]
    algorithms: frozenset[str]
    material: Any


class JwksVerifier:
    """Verifies the tokens of one issuer. `verify` is thread-safe; the rest belongs to one event loop.

    Args:
        config: whom to believe, and how.
        fetch: gets the keys.
        clock: monotonic seconds.
    """

    def __init__(
        self, config: OutsideIssuer, fetch: Fetch, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.config = config
        self._fetch = fetch
        self._clock = clock
        self._keys: Mapping[str, _Key] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._fetching: asyncio.Task[bool] | None = None
        self._wanted = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._verified: LruCache[bytes, tuple[_Key, Claims]] = LruCache(4096)

    def verify(self, token: str, now: float) -> Claims:
        """What a token says, if this issuer vouches for it and it counts now.

        Raises:
            KeyNotSeen: try again after `refresh`.
            TokenExpired: it is over.
            TokenInvalid: anything else; says why.
            AuthUnavailable: the issuer's keys could not be fetched for too long.
        """
        fetched_at = self._fetched_at
        if fetched_at is None or self._clock() - fetched_at > self.config.max_stale_s:
            self._want()
            raise AuthUnavailable(f"the keys of {self.config.issuer} cannot be had")
        digest = digest_of(token)
        known = self._verified.find(digest)
        if known is not None and self._keys.get(known[0].kid) is known[0]:
            claims = known[1]
        else:
            key = self._key_of(token)
            claims = self._parse(token, key)
            self._verified.add(digest, (key, claims))
        check_times(claims, now, self.config.leeway_s)
        return claims

    async def refresh(self) -> bool:
        """Fetch the keys, unless that was tried less than `min_refresh_s` ago; whether they are new.

        Many that wait at once wait for one fetch.
        """
        if self._fetching is None:
            tried_at = self._tried_at
            if tried_at is not None and self._clock() - tried_at < self.config.min_refresh_s:
                return False
            self._tried_at = self._clock()
            self._fetching = asyncio.create_task(self._refresh())
        # The fetch serves others too, and goes on when this caller is cancelled.
        return await asyncio.shield(self._fetching)

    async def run(self) -> None:
        """Keep the keys fresh until cancelled."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
        try:
            while True:
                self._wanted.clear()
                await self.refresh()
                tried_at = self._tried_at
                assert tried_at is not None
                quiet_until = tried_at + self.config.min_refresh_s
                due_at = tried_at + (
                    self.config.refresh_s if self._fetched_at == tried_at else self.config.min_refresh_s
                )
                try:
                    await asyncio.wait_for(self._wanted.wait(), max(0.0, due_at - self._clock()))
                except TimeoutError:
                    pass
                await asyncio.sleep(max(0.0, quiet_until - self._clock()))
        finally:
            with self._lock:
                self._loop = None
            if self._fetching is not None:
                self._fetching.cancel()

    async def _refresh(self) -> bool:
        started_at = self._clock()
        try:
            async with asyncio.timeout(self.config.timeout_s):
                body = await self._fetch(self.config.jwks_url)
            keys = self._read(body)
        # Whatever the network, the server or its document does: the keys that are known stay.
        except Exception as error:
            _log.warning("keys of %s cannot be had: %s", self.config.issuer, error or type(error).__name__)
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
        self._tried_at = self._fetched_at = started_at
        return changed

    def _read(self, body: bytes) -> dict[str, _Key]:
        if len(body) > MAX_DOCUMENT_BYTES:
            raise ValueError(f"the key set has {len(body)} bytes; expected {MAX_DOCUMENT_BYTES} at most")
        try:
            document = json.loads(body)
        except RecursionError:
            raise ValueError("the key set is nested too deep") from None
        entries = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(entries, list):
            raise ValueError('expected a key set, {"keys": [...]}')
        keys = {}
        for entry in entries[:_MAX_KEYS]:
            if isinstance(entry, dict) and (key := self._usable(entry)) is not None:
                keys[key.kid] = key
        if not keys:
            raise ValueError("the key set holds no key that can be used")
        return keys

    def _usable(self, jwk: Mapping[str, Any]) -> _Key | None:
        """One key for verifying; None for what is something else, as sets hold for other purposes."""
        if jwk.get("use", "sig") != "sig":
            return None
        kty, curve, kid = jwk.get("kty"), jwk.get("crv", ""), jwk.get("kid", "")
        if not isinstance(kty, str) or not isinstance(curve, str) or not isinstance(kid, str):
            return None
        algorithms = _FAMILIES.get((kty, "" if kty == "RSA" else curve), frozenset())
        if "alg" in jwk:
            algorithms &= {str(jwk["alg"])}
        algorithms &= frozenset(self.config.algorithms)
        if not algorithms:
            return None
        try:
            material = jwt.PyJWK(dict(jwk), min(algorithms)).key
        except jwt.PyJWTError:
            return None
        if kty == "RSA" and material.key_size < _MIN_RSA_BITS:
            return None
        return _Key(kid, dict(jwk), algorithms, material)

    def _key_of(self, token: str) -> _Key:
        kid = unverified(token, 0).get("kid", "")
        keys = self._keys
        if kid == "" and len(keys) == 1:
            return next(iter(keys.values()))
        key = keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            self._want()
            raise KeyNotSeen(self)
        return key

    def _want(self) -> None:
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._wanted.set)

    def _parse(self, token: str, key: _Key) -> Claims:
        config = self.config
        try:
            payload = jwt.decode(
                token,
                key.material,
                algorithms=sorted(key.algorithms),
                issuer=config.issuer,
                audience=config.audience,
                options=_OPTIONS,
            )
        except jwt.PyJWTError as error:
            raise TokenInvalid(reason_of(error)) from None
        subject = text_claim(payload, "sub")
        expires_at = time_claim(payload, "exp")
        issued_at = time_claim(payload, "iat") if "iat" in payload else 0.0
        allowed = config.claims.read(payload)
        # Not every issuer numbers its tokens; the text itself tells one from another as well.
        unique = text_claim(payload, "jti") if "jti" in payload else digest_of(token).hex()
        return Claims(
            token_id=_short(config.issuer, unique),
            subject=f"out:{_short(config.issuer, subject)}",
            actions=allowed.actions,
            streams=allowed.streams,
            issued_at=issued_at,
            not_before=time_claim(payload, "nbf") if "nbf" in payload else 0.0,
            expires_at=expires_at,
            limits=allowed.limits,
            key=key.kid,
            name=allowed.name or subject[:128],
            issuer=config.issuer,
        )


def _short(issuer: str, text: str) -> str:
    return hashlib.sha256(f"{issuer}\0{text}".encode(errors="surrogatepass")).hexdigest()[:32]


_OPTIONS: Any = {
    "require": ["iss", "aud", "sub", "exp"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}
