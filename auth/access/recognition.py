"""From what was presented to who presents it: each kind of credential is believed in its own way."""

from __future__ import annotations

from collections.abc import Sequence

from auth.access.holder import Holder, token_holder
from auth.access.snapshot import Snapshot
from auth.errors import BadCredentials, Forbidden, TokenExpired, TokenInvalid
from auth.permissions.actions import Action
from auth.permissions.credentials import (
    ApiKeyCredential,
    Credential,
    KeyCredential,
    NoCredential,
    SessionCredential,
    TokenCredential,
)
from auth.tokens.claims import Claims, unverified
from auth.tokens.jwks import JwksVerifier
from auth.tokens.tokens import ISSUER, Tokens
from auth.vault.comparing import same_secret


class Recognition:
    """Recognises holders of credentials. Thread-safe.

    Args:
        tokens: verifies our own tokens.
        outside: verify those of others.
    """

    def __init__(self, tokens: Tokens, outside: Sequence[JwksVerifier] = ()) -> None:
        self._tokens = tokens
        self.trust(outside)

    def trust(self, outside: Sequence[JwksVerifier]) -> None:
        """Believe these outside issuers, and no others from now on."""
        self._outside = {verifier.config.issuer: verifier for verifier in outside}

    def trusts(self, issuer: str) -> bool:
        """Whether an outside issuer is believed."""
        return issuer in self._outside

    def holder(self, credential: Credential, address: str, snapshot: Snapshot, now: float) -> Holder | None:
        """Who presented a credential; None for nobody in particular.

        Raises:
            BadCredentials: it is wrong, or says nothing about who it is.
            TokenInvalid: as `Tokens.verify` and `JwksVerifier.verify`; revoked; from a wrong address.
            AuthUnavailable: an outside issuer's keys cannot be had.
        """
        match credential:
            case TokenCredential():
                return token_holder(self._claims(credential.token, snapshot, now), snapshot, address)
            case SessionCredential():
                if now >= credential.expires_at:
                    raise TokenExpired("the session has ended")
                return _account(
                    snapshot, credential.principal.id, credential.expires_at, session=credential.handle
                )
            case ApiKeyCredential():
                found = snapshot.directory.owner_of(credential.key)
                if found is None:
                    raise BadCredentials("this API key does not count")
                prefix, owner = found
                if owner.expires_at is not None and now >= owner.expires_at:
                    raise TokenExpired("this API key has expired")
                return _account(snapshot, owner.principal_id, owner.expires_at, api_key=prefix)
            case NoCredential():
                return None
        raise BadCredentials("this does not say who asks; expected a session, a token or an API key")

    def is_known(self, token: str) -> bool:
        """Whether a token says that it comes from an issuer who is known here, be it true or not."""
        try:
            issuer = unverified(token, 1).get("iss")
        except TokenInvalid:
            return False
        return isinstance(issuer, str) and (issuer == ISSUER or issuer in self._outside)

    def _claims(self, token: str, snapshot: Snapshot, now: float) -> Claims:
        if self._outside:
            issuer = unverified(token, 1).get("iss")
            verifier = self._outside.get(issuer) if isinstance(issuer, str) else None
            if verifier is not None:
                return verifier.verify(token, now)
        return self._tokens.verify(snapshot.ring, token, now)


def _account(
    snapshot: Snapshot, principal_id: str, expires_at: float | None, session: str = "", api_key: str = ""
) -> Holder:
    # As it is now: groups may have changed since the credential was checked.
    principal = snapshot.directory.active(principal_id)
    if principal is None:
        raise BadCredentials("this account is disabled or gone")
    return Holder(principal, principal.id, expires_at, session=session, api_key=api_key)


def check_key(credential: KeyCredential, action: Action, stream: str) -> None:
    """Whether a publish key opens a stream for publishing.

    Raises:
        BadCredentials: it is not the stream's.
        Forbidden: the stream has none, or something else was asked for.
    """
    if action is not Action.PUBLISH:
        raise Forbidden(action, stream, "a publish key is for publishing only")
    if not credential.expected:
        raise Forbidden(action, stream, "it has no publish key")
    if not same_secret(credential.presented, credential.expected):
        raise BadCredentials("the publish key is wrong")
