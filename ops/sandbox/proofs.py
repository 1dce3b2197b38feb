"""How an app proves what it is: by its secret, and by PKCE's verifier (RFC 7636); and how it is refused."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode

from ops.sandbox.parties import Client

# RFC 7636 section 4.1.
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class OAuthProblem(Exception):
    """A request that is refused.

    Attributes:
        error: RFC 6749's word for it.
        why: finer than that, one word; the platforms' own codes are chosen by it.
    """

    def __init__(self, error: str, why: str, message: str = "") -> None:
        super().__init__(message or f"{error}: {why}")
        self.error = error
        self.why = why


def check_secret(client: Client | None, secret: str) -> Client:
    """The app, if it is one and knows its secret.

    Raises:
        OAuthProblem: invalid_client; `why` is unknown or secret.
    """
    if client is None:
        raise OAuthProblem("invalid_client", "unknown")
    if not hmac.compare_digest(client.secret.encode(), secret.encode()):
        raise OAuthProblem("invalid_client", "secret")
    return client


def challenge_of(verifier: str) -> str:
    """PKCE's S256 (RFC 7636 section 4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def check_verifier(challenge: str, verifier: str) -> None:
    """PKCE's other half (RFC 7636 section 4.6).

    Args:
        challenge: of the authorization request; "" without.
        verifier: of the token request.

    Raises:
        OAuthProblem: invalid_grant; `why` is verifier_missing or verifier.
    """
    if not challenge:
        return
    if not verifier:
        raise OAuthProblem("invalid_grant", "verifier_missing")
    if not _VERIFIER.fullmatch(verifier) or not hmac.compare_digest(challenge_of(verifier), challenge):
        raise OAuthProblem("invalid_grant", "verifier")
