"""Our own tokens: short-lived JWTs (RFC 7519) that carry what they allow.

A token works wherever its holder can put a text: Authorization header, WHIP or WHEP URL, SRT stream ID,
RTSP or RTMP password. Claims, besides `iss sub iat nbf exp jti`:

    act   actions, as in `Action`
    str   stream patterns, as in `auth.permissions.patterns`
    lim   optional limits: {"viewers": 3, "net": ["192.0.2.0/24"], "once": true}

`sub` is who issued it: a principal's id, and then the token never allows more than that principal may do at
the moment; or `SERVER`, and then it stands for itself. A token alone says nothing about being revoked; that
is looked up in `auth.tokens.issued` by `Authority`.

Header `kid` names the key, and the key knows its one algorithm; the token's own `alg` decides nothing.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jwt

from auth.errors import BadGrant, TokenInvalid
from auth.permissions.actions import Action, Role, actions_of, with_sound
from auth.permissions.limits import NO_LIMITS, Limits
from auth.permissions.patterns import check_pattern
from auth.storage.lru import LruCache
from auth.tokens.claims import Claims, check_times, digest_of, key_id, reason_of, text_claim, time_claim
from auth.tokens.jws import OurJws
from auth.tokens.signing import KeyRing, SigningKey

#: Subject of what was issued on the machine itself, by whoever holds the state directory.
SERVER = "@server"
ISSUER = "streamer"

MAX_PATTERNS = 32
_REQUIRED = frozenset({"iss", "sub", "iat", "nbf", "exp", "jti", "act", "str"})
_MONTH_S = 30 * 86400.0
_DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """How long tokens may live.

    Attributes:
        max_lifetime_s: of tokens to publish, watch or listen.
        max_control_lifetime_s: of those with any other action.
    """

    max_lifetime_s: float = _MONTH_S
    max_control_lifetime_s: float = _DAY_S

    def longest(self) -> float:
        """The longest life any token has, which is how long a replaced key must go on verifying."""
        return max(self.max_lifetime_s, self.max_control_lifetime_s)

    def check(self, actions: frozenset[Action], lifetime_s: float) -> None:
        """Whether a token may live so long.

        Raises:
            BadGrant: says how long it may.
        """
        control = actions - {Action.PUBLISH, Action.WATCH, Action.LISTEN}
        longest = self.max_control_lifetime_s if control else self.max_lifetime_s
        if not (math.isfinite(lifetime_s) and 0 < lifetime_s <= longest):
            raise BadGrant(
                f"a token to {', '.join(sorted(actions))} lives for more than 0 and "
                f"{longest / 3600:g} hours at most"
            )


@dataclass(frozen=True, slots=True)
class TokenOrder:
    """A token as it is asked for.

    Attributes:
        actions: what it shall allow; see `implied`.
        streams: patterns.
        lifetime_s: from now.
        subject: id of the principal who issues it, or SERVER.
        note: for lists of tokens; not in the token.
    """

    actions: frozenset[Action]
    streams: tuple[str, ...]
    lifetime_s: float
    subject: str = SERVER
    limits: Limits = NO_LIMITS
    note: str = ""


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token and what it says."""

    token: str = field(repr=False)
    claims: Claims


def implied(actions: Iterable[Action]) -> frozenset[Action]:
    """What is meant when these are asked for: `watch` has its sound, `admin` all an administrator may."""
    asked = frozenset(actions)
    return actions_of(Role.ADMINISTRATOR) | asked if Action.ADMIN in asked else with_sound(asked)


class Tokens:
    """Issues and verifies. Thread-safe; verifying the same token again is a look-up, and its times.

    Args:
        policy: how long tokens may live.
        cached: how many verified tokens are remembered.
    """

    def __init__(self, policy: TokenPolicy | None = None, cached: int = 8192) -> None:
        self.policy = policy or TokenPolicy()
        self._verified: LruCache[bytes, tuple[SigningKey, Claims]] = LruCache(cached)

    def issue(self, ring: KeyRing, order: TokenOrder, now: float) -> Issued:
        """Sign a token. Whether its subject may is asked before, by `Authority.check_order`.

        Raises:
            BadGrant: the order asks for what cannot be.
            AuthUnavailable: there is no key.
        """
        if not order.actions or not order.subject:
            raise BadGrant("a token needs an action at least, and somebody who issues it")
        if not 1 <= len(order.streams) <= MAX_PATTERNS:
            raise BadGrant(f"a token is for 1 to {MAX_PATTERNS} stream patterns, not {len(order.streams)}")
        for pattern in order.streams:
            check_pattern(pattern)
        self.policy.check(order.actions, order.lifetime_s)
        key = ring.signer
        issued_at, expires_at = round(now, 3), round(now + order.lifetime_s, 3)
        claims = Claims(
            token_id=secrets.token_hex(12),  # whatever begins with "-" is an option to the command line
            subject=order.subject,
            actions=order.actions,
            streams=order.streams,
            issued_at=issued_at,
            not_before=math.floor(now),
            expires_at=expires_at,
            limits=order.limits,
            key=key.kid,
        )
        payload: dict[str, Any] = {
            "iss": ISSUER,
            "sub": claims.subject,
            "iat": claims.issued_at,
            "nbf": claims.not_before,
            "exp": claims.expires_at,
            "jti": claims.token_id,
            "act": sorted(claims.actions),
            "str": list(claims.streams),
        }
        if (limit := order.limits.to_claim()) is not None:
            payload["lim"] = limit
        token = jwt.encode(payload, key.secret, algorithm=key.algorithm, headers={"kid": key.kid})
        return Issued(token, claims)

    def verify(self, ring: KeyRing, token: str, now: float) -> Claims:
        """What a token says, if it is ours and counts now.

        Raises:
            TokenExpired: it is over.
            TokenInvalid: anything else; says why.
        """
        digest = digest_of(token)
        known = self._verified.find(digest)
        if known is not None and ring.find(known[0].kid, now) == known[0]:
            claims = known[1]
        else:
            key = ring.find(key_id(token), now)
            if key is None:
                raise TokenInvalid("the key it was signed with is unknown, or too old")
            claims = self._parse(token, key)
            self._verified.add(digest, (key, claims))
        check_times(claims, now)
        return claims

    def _parse(self, token: str, key: SigningKey) -> Claims:
        try:
            body = _JWS.verified(token, key.secret, key.algorithm)
            payload = json.loads(body.decode())
        except jwt.PyJWTError as error:
            raise TokenInvalid(reason_of(error)) from None
        except (ValueError, RecursionError):
            raise TokenInvalid("it is not of the form of a JWT") from None
        if not isinstance(payload, dict) or not payload.keys() >= _REQUIRED:
            raise TokenInvalid("a claim that is needed is missing")
        if payload["iss"] != ISSUER:
            raise TokenInvalid("it comes from another issuer")
        actions, streams = payload["act"], payload["str"]
        for words in (actions, streams):
            if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
                raise TokenInvalid("its actions or streams are no lists of texts")
        try:
            return Claims(
                token_id=text_claim(payload, "jti"),
                subject=text_claim(payload, "sub"),
                actions=_actions(tuple(actions)),
                streams=_patterns(tuple(streams)),
                issued_at=time_claim(payload, "iat"),
                not_before=time_claim(payload, "nbf"),
                expires_at=time_claim(payload, "exp"),
                limits=Limits.from_claim(payload.get("lim")),
                key=key.kid,
            )
        except (ValueError, TypeError, BadGrant):
            raise TokenInvalid("a claim is of a form that is not known here") from None


# Many tokens say the same.
@lru_cache(1024)
def _actions(words: tuple[str, ...]) -> frozenset[Action]:
    return with_sound({Action(word) for word in words})


@lru_cache(1024)
def _patterns(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(check_pattern(word) for word in words)


_JWS = OurJws()
