"""What a token says, ours or an outside one, and the careful reading of it.

Nothing here believes a token; `auth.tokens.tokens` and `auth.tokens.jwks` do, after they verified it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt

from auth.errors import TokenExpired, TokenInvalid
from auth.permissions.actions import Action
from auth.permissions.limits import Limits

#: Before anything is parsed. Ours have under 1 KiB; identity providers put groups into theirs.
MAX_TOKEN_CHARACTERS = 8192
#: Clocks of several machines on one database differ a little; when a token ends is exact all the same.
_LEEWAY_S = 5.0


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says, once it is believed.

    Attributes:
        token_id: tells it from all others, of any issuer.
        subject: of our own, who issued it; of an outside token, its principal's id.
        issued_at: seconds since 1970, as the other times.
        key: id of the key that signed it.
        name: of the subject, where an outside issuer tells it.
        issuer: "" for our own.
    """

    token_id: str
    subject: str
    actions: frozenset[Action]
    streams: tuple[str, ...]
    issued_at: float
    not_before: float
    expires_at: float
    limits: Limits
    key: str
    name: str = ""
    issuer: str = ""


def check_times(claims: Claims, now: float, leeway_s: float = _LEEWAY_S) -> None:
    """Whether a token counts now. The end is exact: a session ends with its token.

    Raises:
        TokenExpired: it is over.
        TokenInvalid: it has not begun.
    """
    if now >= claims.expires_at:
        raise TokenExpired()
    if max(claims.not_before, claims.issued_at) > now + leeway_s:
        raise TokenInvalid("it is not valid yet; are the clocks right?")


def digest_of(token: str) -> bytes:
    """What a token is remembered by; the token itself is kept nowhere.

    Raises:
        TokenInvalid: too long to be looked at, or no text that a JWT can be.
    """
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise TokenInvalid(f"it is longer than {MAX_TOKEN_CHARACTERS} characters")
    if not token.isascii():
        raise TokenInvalid("it is not of the form of a JWT")
    return hashlib.sha256(token.encode("ascii")).digest()


def key_id(token: str) -> str:
    """The key that a token names, not believed yet; "" when it names none.

    Raises:
        TokenInvalid: not a JWT.
    """
    return _key_id(token.partition(".")[0], token.count("."))


@lru_cache(256)
def _key_id(header: str, dots: int) -> str:
    """All tokens of one key begin with the same header."""
    kid = unverified(header + "." * dots, 0).get("kid", "")
    return kid if isinstance(kid, str) else ""


def unverified(token: str, part: int) -> Mapping[str, Any]:
    """Header (0) or payload (1) as anybody could have written them; for finding the one who can verify it.

    Raises:
        TokenInvalid: not a JWT.
    """
    parts = token.split(".")
    if len(parts) != 3:
        raise TokenInvalid("it is not of the form of a JWT")
    try:
        value = json.loads(jwt.utils.base64url_decode(parts[part]))
    # A deep nest of brackets ends in RecursionError.
    except (ValueError, RecursionError):
        raise TokenInvalid("it is not of the form of a JWT") from None
    if not isinstance(value, dict):
        raise TokenInvalid("it is not of the form of a JWT")
    return value


def time_claim(payload: Mapping[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519 section 2), fractions allowed.

    Raises:
        TokenInvalid: something else.
    """
    value = payload.get(name)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not 0 <= value < 1e11
    ):
        raise TokenInvalid(f"its {name} is no time")
    return float(value)


def text_claim(payload: Mapping[str, Any], name: str) -> str:
    """A text that is not empty nor very long.

    Raises:
        TokenInvalid: something else.
    """
    value = payload.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= 512:
        raise TokenInvalid(f"its {name} is no text, or too long")
    return value


def reason_of(error: jwt.PyJWTError) -> str:
    """Why PyJWT refused, without anything that was in the token."""
    for kind, why in _REASONS:
        if isinstance(error, kind):
            return why
    return "it is not of the form of a JWT"


_REASONS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.InvalidAlgorithmError, "its algorithm is not that of its key"),
    (jwt.InvalidSignatureError, "its signature is wrong"),
    (jwt.InvalidIssuerError, "it comes from another issuer"),
    (jwt.InvalidAudienceError, "it is meant for somebody else"),
    (jwt.MissingRequiredClaimError, "a claim that is needed is missing"),
    (jwt.InvalidKeyError, "its key cannot be used with its algorithm"),
)
