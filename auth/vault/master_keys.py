"""Where the vault's master keys come from: a file, an environment variable, or a KMS command.

All three have one form: 32 bytes as 64 hexadecimal digits or as base64, one key a line (in a variable also
separated by commas), the primary first. Blank lines and lines that begin with `#` do not count.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import re
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

from auth.errors import VaultError
from auth.vault.vault import KEY_BYTES, MasterKey

_log = logging.getLogger(__name__)
_HEX = re.compile(r"[0-9A-Fa-f]{64}")
_EXPECTED = f"{KEY_BYTES} bytes as 64 hexadecimal digits or base64, one key a line, the primary first"


def parse_keys(text: str, source: str) -> list[MasterKey]:
    """Master keys as operators write them.

    Args:
        text: as above.
        source: for errors, which quote nothing of the text.

    Raises:
        VaultError: no key, or something else.
    """
    lines = [line.strip() for line in text.replace(",", "\n").splitlines()]
    keys = [
        _parse_key(line, f"{source}, key {number}")
        for number, line in enumerate((line for line in lines if line and not line.startswith("#")), 1)
    ]
    if not keys:
        raise VaultError(f"{source}: no master key; expected {_EXPECTED}")
    return keys


def keys_from_file(path: Path) -> list[MasterKey]:
    """The keys in a file, which is made with a new one where there is none.

    Raises:
        VaultError: the file holds something else.
        OSError: it cannot be read or made.
    """
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        if _store([MasterKey(os.urandom(KEY_BYTES))], path, replace=False):
            _log.warning(
                "made a new master key in %s: keep a copy of it in a safe place, apart from the backups of "
                "the database; without it no stored secret can be read again",
                path,
            )
        return keys_from_file(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        _log.warning("%s could be read by others; it is now closed to them", path)
        path.chmod(0o600)
    return parse_keys(text, str(path))


def keys_from_command(argv: Sequence[str], timeout_s: float = 10.0) -> list[MasterKey]:
    """The keys that a command prints, such as a KMS client that decrypts them. Blocks; for the start only.

    Raises:
        VaultError: it cannot be run, fails, takes too long or prints something else.
    """
    if not argv:
        raise VaultError("the KMS command is empty; expected a program and its arguments")
    name = os.path.basename(argv[0])
    try:
        done = subprocess.run(
            argv, capture_output=True, timeout=timeout_s, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired:
        raise VaultError(f"the KMS command {name} did not answer within {timeout_s:g} s") from None
    except OSError as error:
        raise VaultError(f"the KMS command {name} cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        # What it wrote stays unquoted: nobody knows what a failing KMS client prints.
        raise VaultError(f"the KMS command {name} failed with status {done.returncode}")
    return parse_keys(done.stdout.decode("ascii", errors="replace"), f"output of {name}")


def add_key(path: Path) -> list[MasterKey]:
    """Put a new primary key on top of the file's; the old ones go on opening.

    Raises:
        VaultError: the file holds something else than keys.
        OSError: it cannot be read or written.
    """
    keys = [MasterKey(os.urandom(KEY_BYTES)), *keys_from_file(path)]
    _store(keys, path, replace=True)
    return keys


def drop_old_keys(path: Path) -> int:
    """Keep the primary only, once nothing is sealed with the others; how many went.

    Raises:
        VaultError: the file holds something else than keys.
        OSError: it cannot be read or written.
    """
    keys = keys_from_file(path)
    if len(keys) > 1:
        _store(keys[:1], path, replace=True)
    return len(keys) - 1


def _parse_key(line: str, source: str) -> MasterKey:
    if _HEX.fullmatch(line):
        return MasterKey(bytes.fromhex(line))
    try:
        material = base64.b64decode(
            line.replace("-", "+").replace("_", "/") + "=" * (-len(line) % 4), validate=True
        )
    except (binascii.Error, ValueError):
        raise VaultError(f"{source}: expected {_EXPECTED}") from None
    if len(material) != KEY_BYTES:
        raise VaultError(f"{source}: {len(material)} bytes; expected {_EXPECTED}")
    return MasterKey(material)


def _store(keys: Sequence[MasterKey], path: Path, *, replace: bool) -> bool:
    """Write the file whole or not at all; False when another process was first and must not be replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.new")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.writelines(f"{base64.b64encode(key.material).decode('ascii')}\n" for key in keys)
        file.flush()
        # A key that seals something and is then lost with the power takes the secret with it.
        os.fsync(file.fileno())
    try:
        if replace:
            partial.replace(path)
        else:
            os.link(partial, path)
    except FileExistsError:
        return False
    finally:
        partial.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True
