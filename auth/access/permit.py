"""The answer to who may do what: a permit, which says how far it goes and what would end it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from auth.permissions.actions import Action
from auth.permissions.limits import NO_LIMITS, Limits
from auth.permissions.principals import Principal


class Basis(StrEnum):
    """Why it was given."""

    __hash__ = str.__hash__  # as `Action`

    GRANT = "grant"  #: the principal's grants, by session or API key
    TOKEN = "token"
    KEY = "key"  #: the stream's publish key
    PUBLIC = "public"  #: the stream is public
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to do something. Good until it expires, or what it rests on is withdrawn.

    Attributes:
        principal: who acts. The bearer of a token is not its issuer, but somebody of his own.
        action: what was asked for.
        actions: everything that the same credential allows on this stream.
        stream: "" for the server as a whole.
        expires_at: when it ends by itself, seconds since 1970; None for never.
        credential_expires_at: the token's, session's or key's own end; a grant's may come first.
        version: of the authority's knowledge when it was decided.
        token_id: of a token; for `auth.tokens.issued.revoke` and the limits.
        token_subject: who issued the token, or SERVER.
        issued_at: when the token was.
        subject: whose grants it rests on; "" when on nobody's.
        signing_key: of our own tokens.
        issuer: of an outside token.
        session, api_key: what a principal came with.
        key_digest: of the publish key; see `digest_of_key`.
        support: whether it rests on support access, which cannot be passed on.
    """

    principal: Principal
    action: Action
    actions: frozenset[Action]
    stream: str
    address: str
    basis: Basis
    decided_at: float
    version: int
    expires_at: float | None = None
    credential_expires_at: float | None = None
    token_id: str = ""
    token_subject: str = ""
    issued_at: float = 0.0
    subject: str = ""
    signing_key: str = ""
    issuer: str = ""
    session: str = ""
    api_key: str = ""
    key_digest: str = ""
    limits: Limits = NO_LIMITS
    support: bool = False

    @property
    def standing(self) -> tuple[object, ...]:
        """Permits of which this is equal rest on the same, but for the single token."""
        return (
            self.basis,
            self.subject,
            self.token_subject,
            self.stream,
            self.action,
            self.session,
            self.api_key,
            self.signing_key,
            self.issuer,
        )


def digest_of_key(publish_key: str) -> str:
    """What tells one publish key from another without being it."""
    return hashlib.sha256(b"publish key\0" + publish_key.encode(errors="surrogatepass")).hexdigest()[:32]


def earlier(first: float | None, second: float | None) -> float | None:
    """The earlier of two ends, where None is never."""
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)
