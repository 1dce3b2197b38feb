"""Hashing what this server made up itself.

Ids of sessions, API keys, set-up tokens and recovery codes have at least 80 random bits, so nobody finds one
from its SHA-256; what people choose goes through `auth.factors.passwords`.
"""

from __future__ import annotations

import hashlib


def digest(secret: str, *context: str) -> str:
    """SHA-256 of a secret, as hexadecimal digits.

    Args:
        secret: what whoever holds it presents; anything, also what is no text.
        context: whose it is, so that the same secret of another has another digest.
    """
    whole = "\0".join((*context, secret))
    return hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()
