from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.errors import VaultError
from auth.vault.vault import KEY_BYTES, MasterKey, Vault
from tests.auth.ground import vault

OLD, NEW = MasterKey(b"o" * KEY_BYTES), MasterKey(b"n" * KEY_BYTES)


@given(st.binary(max_size=100), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_what_is_sealed_opens_in_its_context(secret: bytes, context: str) -> None:
    box = vault()
    assert box.open(box.seal(secret, context), context) == secret


def test_the_form() -> None:
    version, kid, blob = vault().seal(b"secret", "totp:1").split(".")
    assert (version, kid) == ("v1", vault().primary)
    assert not set("=+/") & set(blob)


def test_the_same_secret_is_never_sealed_alike() -> None:
    box = vault()
    assert len({box.seal(b"secret", "a") for _ in range(100)}) == 100


def test_it_does_not_open_elsewhere() -> None:
    box = vault()
    with pytest.raises(VaultError, match="belongs elsewhere than to 'totp:2'"):
        box.open(box.seal(b"secret", "totp:1"), "totp:2")


def test_nothing_of_it_can_be_changed() -> None:
    box = vault()
    sealed = box.seal(b"secret", "a")
    for index in range(len(sealed)):
        other = "A" if sealed[index] != "A" else "B"
        changed = sealed[:index] + other + sealed[index + 1 :]
        # The last character of base64 has bits that count for nothing.
        if index == len(sealed) - 1:
            continue
        with pytest.raises(VaultError):
            box.open(changed, "a")


@pytest.mark.parametrize("text", ["", "v1", "v1.", "v1.a.", "v2.aa.bb", "v1.aa", "plain text"])
def test_what_is_not_sealed(text: str) -> None:
    with pytest.raises(VaultError, match="expected a sealed value"):
        vault().open(text, "a")


def test_what_is_cut_short_or_no_base64() -> None:
    box = vault()
    with pytest.raises(VaultError, match="cut short"):
        box.open(f"v1.{box.primary}.AAAA", "a")
    with pytest.raises(VaultError, match="not base64url"):
        box.open(f"v1.{box.primary}.!!!!", "a")


def test_another_key_does_not_open_it_and_the_error_names_the_one_that_would() -> None:
    sealed = vault(1).seal(b"secret", "a")
    with pytest.raises(VaultError, match=vault(1).primary):
        vault(2).open(sealed, "a")


def test_rotation() -> None:
    before = Vault([OLD]).seal(b"secret", "a")
    both = Vault([NEW, OLD])
    assert both.open(before, "a") == b"secret"
    after = both.rewrap(before, "a")
    assert Vault([NEW]).open(after, "a") == b"secret"
    assert both.rewrap(after, "a") == after


def test_signatures() -> None:
    box = Vault([OLD])
    signature = box.sign(b"data", "head")
    assert box.is_signed(b"data", signature, "head")
    assert Vault([NEW, OLD]).is_signed(b"data", signature, "head")
    assert not box.is_signed(b"Data", signature, "head")
    assert not box.is_signed(b"data", signature, "tail")
    assert not Vault([NEW]).is_signed(b"data", signature, "head")
    assert not box.is_signed(b"data", "", "head")


def test_nothing_secret_is_shown() -> None:
    key = MasterKey(b"s" * KEY_BYTES)
    for shown in (repr(key), repr(Vault([key]))):
        assert "ssss" not in shown


def test_keys_have_32_bytes_and_there_is_one_at_least() -> None:
    with pytest.raises(VaultError, match="32 bytes, this one 16"):
        MasterKey(bytes(16))
    with pytest.raises(VaultError, match="no master key"):
        Vault([])
