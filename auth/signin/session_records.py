"""What a browser session is, as others see it. `auth.signin.sessions` keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from auth.permissions.principals import Principal


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """How long sessions last.

    Attributes:
        idle_s: without being used.
        absolute_s: at most.
        max_per_account: the ones not used for longest are ended.
        note_every_s: how often it is written that one is used.
    """

    idle_s: float = 12 * 3600.0
    absolute_s: float = 7 * 86_400.0
    max_per_account: int = 50
    note_every_s: float = 60.0


class Standing(StrEnum):
    """What a session is good for."""

    FULL = "full"  #: everything its principal may do
    PROVE = "prove"  #: showing the second factor that has come to be required, and nothing else
    ENROLL = "enroll"  #: setting up the second factor that is required, and nothing else


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session as it is listed; times in seconds since 1970.

    Attributes:
        handle: names it, for revoking; no secret.
        method: how its owner logged in: "password", "passkey", "ldap", "oidc:<provider>", "setup".
        with_factor: whether two factors were shown.
        address: the /24 or /48 it began in.
        agent: browser and system.
        proven_at: when something was last proven; for what should not be done with an old session.
        expires_at: its end, used or not.
    """

    handle: str
    principal_id: str
    method: str
    with_factor: bool
    address: str
    agent: str
    created_at: float
    seen_at: float
    proven_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in."""

    principal: Principal
    standing: Standing
    record: SessionRecord


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session that has just begun, or was given a new cookie.

    Attributes:
        cookie: the secret, for the browser only.
    """

    session: Session
    cookie: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Cookie:
    """How the session's cookie is to be set; it is essential, and the only one."""

    name: str
    secure: bool
    max_age_s: int
    path: str = "/"
    http_only: bool = True
    #: Not "Strict": whoever comes back from an identity provider must arrive logged in.
    same_site: str = "Lax"
