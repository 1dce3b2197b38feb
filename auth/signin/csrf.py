"""Tokens that a page of ours puts into its requests and a page of others cannot.

A token is a random pad and the HMAC of it under the session's cookie: who does not have the cookie cannot
make one, and no two answers contain the same bytes for a compressing attacker to compare.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from auth.vault.comparing import same_secret

_PAD_BYTES = 16


def csrf_token(cookie: str) -> str:
    """A token for pages of the session with this cookie."""
    return _sign(cookie, secrets.token_hex(_PAD_BYTES))


def is_csrf_token(cookie: str, token: str) -> bool:
    """Whether a token was made for the session with this cookie."""
    pad, dot, _ = token.partition(".")
    return bool(dot) and len(pad) == 2 * _PAD_BYTES and same_secret(token, _sign(cookie, pad))


def _sign(cookie: str, pad: str) -> str:
    key, message = cookie.encode(errors="surrogatepass"), f"csrf\0{pad}".encode(errors="surrogatepass")
    return f"{pad}.{hmac.new(key, message, hashlib.sha256).hexdigest()}"
