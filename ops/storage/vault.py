"""The vault, and where its master keys come from.

That is the key file in the state directory, which `streamer keys rotate` changes under a server, unless the
configuration names an environment variable or a command; those are asked once, at the start.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from auth.errors import VaultError
from auth.vault.master_keys import keys_from_command, keys_from_file, parse_keys
from auth.vault.vault import Vault
from streamer.sections.vault import VaultConfig


def open_vault(config: VaultConfig, key_file: Path) -> Vault:
    """The vault of a configuration; a `FileVault` where nothing else is said. Blocks.

    Raises:
        VaultError: there is no key, or something else.
        OSError: the key file cannot be read or made.
    """
    if config.key_command:
        return Vault(keys_from_command(config.key_command))
    if not config.key_env:
        return FileVault(key_file)
    text = os.environ.get(config.key_env)
    if text is None:
        raise VaultError(f"vault.key_env: there is no environment variable {config.key_env}")
    return Vault(parse_keys(text, f"environment variable {config.key_env}"))


class FileVault(Vault):
    """A vault that looks at its file before each use, and takes up keys that were added or dropped.

    Args:
        path: made, with a new key, where there is none.

    Raises:
        VaultError: the file holds something else than keys; also later, when it was spoilt.
        OSError: it cannot be read or made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading = threading.Lock()
        keys = keys_from_file(path)
        self._read = self._stamp()
        super().__init__(keys)

    def seal(self, plaintext: bytes, context: str) -> str:
        """As `Vault.seal`."""
        self._follow()
        return super().seal(plaintext, context)

    def open(self, sealed: str, context: str) -> bytes:
        """As `Vault.open`."""
        self._follow()
        return super().open(sealed, context)

    def rewrap(self, sealed: str, context: str) -> str:
        """As `Vault.rewrap`."""
        self._follow()
        return super().rewrap(sealed, context)

    def sign(self, data: bytes, context: str) -> str:
        """As `Vault.sign`."""
        self._follow()
        return super().sign(data, context)

    def is_signed(self, data: bytes, signature: str, context: str) -> bool:
        """As `Vault.is_signed`."""
        self._follow()
        return super().is_signed(data, signature, context)

    def _follow(self) -> None:
        with self._reading:
            stamp = self._stamp()
            if stamp != self._read:
                super().__init__(keys_from_file(self._path))
                self._read = stamp

    def _stamp(self) -> tuple[int, int, int]:
        """Another file has another inode, as the one that replaces it is made beside it."""
        status = self._path.stat()
        return status.st_ino, status.st_mtime_ns, status.st_size
