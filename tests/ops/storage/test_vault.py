from __future__ import annotations

from pathlib import Path

import pytest

from auth.errors import VaultError
from auth.vault.master_keys import add_key, drop_old_keys
from ops.storage.vault import FileVault, open_vault
from streamer.config import parse
from streamer.errors import ConfigError
from streamer.sections.vault import VaultConfig


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


KEY = "ab" * 32


def test_the_key_of_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_KEY", KEY)
    key_file = tmp_path / "master.key"
    one = open_vault(VaultConfig(key_env="VAULT_KEY"), key_file)
    other = open_vault(VaultConfig(key_command=("echo", KEY)), key_file)
    assert other.open(one.seal(b"secret", "here"), "here") == b"secret"
    assert not key_file.exists()


def test_a_variable_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VAULT_KEY", raising=False)
    with pytest.raises(VaultError, match="there is no environment variable VAULT_KEY"):
        open_vault(VaultConfig(key_env="VAULT_KEY"), tmp_path / "master.key")


def test_a_command_that_fails(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="KMS command false failed with status 1"):
        open_vault(VaultConfig(key_command=("false",)), tmp_path / "master.key")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"key_env": "STREAMER_KEY"}, "those are settings"),
        ({"key_env": "KEY", "key_command": ["kms"]}, "either key_env or key_command"),
    ],
)
def test_what_cannot_be_configured(table: dict[str, object], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        parse({"vault": table})
