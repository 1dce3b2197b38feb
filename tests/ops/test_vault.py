from __future__ import annotations

from pathlib import Path

import pytest

from auth.errors import VaultError
from auth.master_keys import add_key, drop_old_keys
from ops.vault import FileVault


def test_it_follows_its_file(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    vault = FileVault(path)
    first = vault.primary
    before, signed = vault.seal(b"secret", "here"), vault.sign(b"data", "here")
    add_key(path)
    assert vault.open(before, "here") == b"secret"
    assert vault.is_signed(b"data", signed, "here")
    assert vault.primary != first
    after = vault.rewrap(before, "here")
    assert after.split(".")[1] == vault.primary
    drop_old_keys(path)
    assert vault.open(after, "here") == b"secret"
    assert not vault.is_signed(b"data", signed, "here")
    with pytest.raises(VaultError, match=first):
        vault.open(before, "here")


def test_another_process_changes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    vault, other = FileVault(path), FileVault(path)
    add_key(path)
    assert vault.open(other.seal(b"secret", "here"), "here") == b"secret"


def test_a_file_that_was_spoilt(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    vault = FileVault(path)
    path.write_text("no key at all")
    with pytest.raises(VaultError, match="expected 32 bytes"):
        vault.seal(b"secret", "here")
