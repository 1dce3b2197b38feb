"""What somebody presents to be let in. None of these shows its secret when printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from auth.principals import Principal


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


@dataclass(frozen=True, slots=True)
class ApiKeyOwner:
    """Who an API key belongs to.

    Attributes:
        key_id: tells it from other keys, and is no secret.
        expires_at: seconds since 1970; None for no end.
    """

    principal_id: str
    key_id: str
    expires_at: float | None = None


#: From a presented key to its owner, None for none. Called from any thread; must not block.
ApiKeyLookup: TypeAlias = Callable[[str], ApiKeyOwner | None]
