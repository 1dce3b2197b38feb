"""Comparing secrets."""

from __future__ import annotations

import hmac


def same_secret(presented: str, expected: str) -> bool:
    """Compare without telling by the time taken how much was right."""
    # What is no text arrives from a header as lone surrogates; that is a wrong secret, not an error.
    return hmac.compare_digest(presented.encode(errors="surrogatepass"), expected.encode())
