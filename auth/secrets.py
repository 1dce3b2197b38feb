"""Comparing secrets, and the administrator's token.

Until there are accounts, one token administers the server. It is made at the first start and kept in the
state directory, readable by the server's user only.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from pathlib import Path

_FILE = "admin.token"


def same_secret(presented: str, expected: str) -> bool:
    """Compare without telling by the time taken how much was right."""
    # What is no text arrives from a header as lone surrogates; that is a wrong secret, not an error.
    return hmac.compare_digest(presented.encode(errors="surrogatepass"), expected.encode())


class AdminToken:
    """The administrator's bearer token.

    Attributes:
        value: the token.
        path: where it is kept.
        created: True when this start made it.
    """

    def __init__(self, state_dir: Path) -> None:
        """Read the token, or make it.

        Raises:
            OSError: the state directory cannot be used.
        """
        state_dir.mkdir(parents=True, exist_ok=True)
        self.path = state_dir / _FILE
        try:
            self.value = self.path.read_text(encoding="ascii").strip()
            self.created = not self.value
            self._close_to_others()
        except FileNotFoundError:
            self.created = True
        if self.created:
            self.value = secrets.token_urlsafe(32)
            self._store()

    def matches(self, presented: str) -> bool:
        """Whether a presented token is the administrator's."""
        return same_secret(presented, self.value)

    def _close_to_others(self) -> None:
        """A token that an operator wrote, or a backup brought back, has the mode of any file."""
        if stat.S_IMODE(self.path.stat().st_mode) & 0o077:
            self.path.chmod(0o600)

    def _store(self) -> None:
        # Made with its final mode, so that there is no moment in which others can read it.
        partial = self.path.with_suffix(".new")
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(self.value + "\n")
        partial.replace(self.path)
