"""What `auth` needs of whoever keeps secrets that must be readable again."""

from __future__ import annotations

from typing import Protocol


class Sealer(Protocol):
    """Encrypts what is kept; a vault does it."""

    def seal(self, plaintext: bytes, context: str) -> str:
        """Encrypt for storage.

        Args:
            plaintext: the secret.
            context: what it is and whose; it opens in the same context only.
        """
        ...

    def open(self, sealed: str, context: str) -> bytes:
        """Decrypt what was sealed in the same context."""
        ...
