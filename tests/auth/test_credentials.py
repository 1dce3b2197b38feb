from __future__ import annotations

import pytest

from auth.credentials import (
    ApiKeyCredential,
    Credential,
    KeyCredential,
    PasswordCredential,
    TokenCredential,
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
