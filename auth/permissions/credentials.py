"""What somebody presents to be let in. None of these shows its secret when printed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from auth.permissions.principals import Principal


@dataclass(frozen=True, slots=True)
class TokenCredential:
    """A JWT, ours or an outside issuer's; or a text that only a webhook can make something of."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyCredential:
    """A stream's publish key.

    Attributes:
        presented: by the publisher.
        expected: from the configuration; None where the stream has none, and then nothing fits.
    """

    presented: str = field(repr=False)
    expected: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionCredential:
    """A browser session that the accounts' side has checked.

    Attributes:
        principal: whose it is.
        handle: tells it from his other sessions, and is no secret.
        expires_at: seconds since 1970.
    """

    principal: Principal
    handle: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class ApiKeyCredential:
    """A service account's key."""

    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PasswordCredential:
    """A name and a password that were not checked here, as RTSP and RTMP clients send them; for a webhook."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NoCredential:
    """Nothing: somebody unknown."""


NOTHING = NoCredential()

Credential: TypeAlias = (
    TokenCredential | KeyCredential | SessionCredential | ApiKeyCredential | PasswordCredential | NoCredential
)


#: What an API key begins with; a JWT never does.
API_KEY_MARK = "sk_"


def credential_of(text: str) -> Credential:
    """What somebody put where tokens and API keys go: a header, a URL, a stream ID, a password."""
    if not text:
        return NOTHING
    return ApiKeyCredential(text) if text.startswith(API_KEY_MARK) else TokenCredential(text)
