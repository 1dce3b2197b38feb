"""Tokens of others: JWTs that an identity provider signed, verified with the keys it publishes.

The keys (`auth.tokens.provider_keys`) are fetched ahead and again in the background, so that verifying needs
no network and works in any thread. A token whose key is not known yet asks for one fetch.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable
from typing import Any

import jwt

from auth.errors import AuthUnavailable, TokenInvalid
from auth.storage.lru import LruCache
from auth.tokens.claims import (
    Claims,
    check_times,
    digest_of,
    reason_of,
    text_claim,
    time_claim,
    unverified,
)
from auth.tokens.outside import OutsideIssuer
from auth.tokens.provider_keys import Fetch, KeySet, KeySource, PublishedKey


class KeyNotSeen(TokenInvalid):
    """The issuer published no such key yet, as far as is known here; a fetch was asked for.

    Attributes:
        verifier: whose `refresh` may change that.
    """

    def __init__(self, verifier: JwksVerifier) -> None:
        super().__init__("its issuer publishes no key of this id")
        self.verifier = verifier


class JwksVerifier:
    """Verifies the tokens of one issuer. `verify` is thread-safe; the rest belongs to one event loop.

    Args:
        config: whom to believe, and how.
        fetch: speaks HTTP.
        clock: monotonic seconds.
    """

    def __init__(
        self, config: OutsideIssuer, fetch: Fetch, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.config = config
        self._clock = clock
        source = KeySource(config.jwks_url, config.algorithms, config.min_refresh_s, config.timeout_s)
        self._keys = KeySet(source, fetch, monotonic=clock)
        self._wanted = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._verified: LruCache[bytes, tuple[PublishedKey, Claims]] = LruCache(4096)

    def verify(self, token: str, now: float) -> Claims:
        """What a token says, if this issuer vouches for it and it counts now.

        Raises:
            KeyNotSeen: try again after `refresh`.
            TokenExpired: it is over.
            TokenInvalid: anything else; says why.
            AuthUnavailable: the issuer's keys could not be fetched for too long.
        """
        if self._keys.age_s > self.config.max_stale_s:
            self._want()
            raise AuthUnavailable(f"the keys of {self.config.issuer} cannot be had")
        digest = digest_of(token)
        known = self._verified.find(digest)
        if known is not None and self._keys.holds(known[0]):
            claims = known[1]
        else:
            key = self._key_of(token)
            claims = self._parse(token, key)
            self._verified.add(digest, (key, claims))
        check_times(claims, now, self.config.leeway_s)
        return claims

    async def refresh(self) -> bool:
        """Fetch the keys as `KeySet.refresh` does; whether they are new."""
        return await self._keys.refresh()

    async def run(self) -> None:
        """Keep the keys fresh until cancelled."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
        keys = self._keys
        try:
            while True:
                self._wanted.clear()
                await keys.refresh()
                tried_at = keys.tried_at
                assert tried_at is not None
                quiet_until = tried_at + self.config.min_refresh_s
                due_at = tried_at + (
                    self.config.refresh_s if keys.fetched_at == tried_at else self.config.min_refresh_s
                )
                try:
                    await asyncio.wait_for(self._wanted.wait(), max(0.0, due_at - self._clock()))
                except TimeoutError:
                    pass
                await asyncio.sleep(max(0.0, quiet_until - self._clock()))
        finally:
            with self._lock:
                self._loop = None
            keys.close()

    def _key_of(self, token: str) -> PublishedKey:
        key = self._keys.find(unverified(token, 0).get("kid"))
        if key is None:
            self._want()
            raise KeyNotSeen(self)
        return key

    def _want(self) -> None:
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._wanted.set)

    def _parse(self, token: str, key: PublishedKey) -> Claims:
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
