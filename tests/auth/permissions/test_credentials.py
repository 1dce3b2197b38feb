from __future__ import annotations

import pytest

from auth.permissions.credentials import (
    ApiKeyCredential,
    Credential,
    KeyCredential,
    NoCredential,
    PasswordCredential,
    TokenCredential,
    credential_of,
)


@pytest.mark.parametrize(
    "credential",
    [
        TokenCredential("hidden"),
        KeyCredential("hidden", "hidden too"),
        ApiKeyCredential("hidden"),
        PasswordCredential("ann", "hidden"),
    ],
)
def test_nothing_secret_is_shown(credential: Credential) -> None:
    assert "hidden" not in repr(credential)
    assert "hidden" not in str(credential)


def test_what_was_presented() -> None:
    assert credential_of("") == NoCredential()
    assert credential_of("sk_0011_x") == ApiKeyCredential("sk_0011_x")
    for text in ("eyJhbGciOiJIUzI1NiJ9.e30.x", "opaque", "SK_x"):
        assert credential_of(text) == TokenCredential(text)
