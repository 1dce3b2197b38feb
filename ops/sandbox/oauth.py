"""OAuth 2.0 as all three platforms do it, without HTTP: grants, codes, tokens (RFC 6749, 7009).

Each platform's `oauth.py` says how requests and answers look there. Device codes (RFC 8628) are in
devices.py, secrets and PKCE in proofs.py, the pages in consent.py.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from ops.sandbox.clock import Clock
from ops.sandbox.parties import Account, Client, Platform
from ops.sandbox.proofs import OAuthProblem, check_verifier

_TWITCH_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Use(StrEnum):
    """What a token is for."""

    ACCESS = "access"
    REFRESH = "refresh"
    PAGE = "page"


@dataclass(frozen=True)
class Manner:
    """What differs between the platforms.

    Attributes:
        access_lifetime_s: of an access token.
        rotates: a refresh token is good once, and the answer has the next one.
        refresh_lifetime_s: how long a refresh token lives; None: for ever.
        accumulates: a token has every scope that its account ever granted the app, not only the ones just
            asked for.
        replay_ends: a code that comes twice ends what was issued for it (RFC 6749 section 4.1.2).
    """

    access_lifetime_s: float
    rotates: bool = False
    refresh_lifetime_s: float | None = None
    code_lifetime_s: float = 600.0
    accumulates: bool = False
    replay_ends: bool = False


@dataclass(eq=False)
class Grant:
    """What one account allowed one app.

    Attributes:
        ended: why it counts no more: "revoked" by the app, "removed" by the user, "replayed" when a code
            came twice.
    """

    account: Account
    client: Client
    scopes: frozenset[str]
    ended: str = ""
    has_refresh: bool = False


@dataclass(eq=False)
class Token:
    """One token.

    Attributes:
        expires_at: None: never.
        page_id: the Facebook Page it speaks for.
    """

    text: str = field(repr=False)
    use: Use
    grant: Grant
    scopes: frozenset[str]
    issued_at: float
    expires_at: float | None = None
    page_id: str = ""
    spent: bool = False

    @property
    def allows(self) -> frozenset[str]:
        """Its scopes, without those that were taken back meanwhile."""
        return self.scopes & self.grant.scopes


@dataclass(frozen=True)
class Request:
    """What an app asks a user for, as its authorization request said.

    Attributes:
        challenge: PKCE's, S256; "" without.
        offline: a refresh token is wanted; once_only: but not if there was one before.
    """

    client: Client
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str = ""
    challenge: str = field(default="", repr=False)
    offline: bool = True
    once_only: bool = False


@dataclass(frozen=True)
class Issue:
    """What an app gets: an access token, and a refresh token where there is one."""

    access: Token
    refresh: Token | None


@dataclass(eq=False)
class _Code:
    request: Request
    grant: Grant
    scopes: frozenset[str]
    expires_at: float
    spent: bool = False


class Tokens:
    """The authorization server of one platform."""

    def __init__(self, platform: Platform, manner: Manner, clock: Clock) -> None:
        self.platform = platform
        self.manner = manner
        self._clock = clock
        self._codes: dict[str, _Code] = {}
        self._tokens: dict[str, Token] = {}
        self.grants: list[Grant] = []

    def allow(self, client: Client, account: Account, scopes: frozenset[str]) -> Grant:
        """The user said yes. What was allowed before stays allowed, as at all three."""
        for grant in self.grants:
            if grant.account == account and grant.client.id == client.id and not grant.ended:
                grant.scopes |= scopes
                return grant
        grant = Grant(account, client, scopes)
        self.grants.append(grant)
        return grant

    def make_code(self, request: Request, account: Account, scopes: frozenset[str]) -> str:
        """The code that the browser carries back to the app."""
        code = secrets.token_urlsafe(32)
        grant = self.allow(request.client, account, scopes)
        self._codes[code] = _Code(request, grant, scopes, self._clock.now() + self.manner.code_lifetime_s)
        return code

    def redeem(self, code: str, client: Client, redirect_uri: str, verifier: str) -> Issue:
        """Exchange a code for tokens; it works once.

        Raises:
            OAuthProblem: `why` is malformed, spent, expired, client, redirect, verifier_missing, verifier.
        """
        known = self._codes.get(code)
        if known is None:
            raise OAuthProblem("invalid_grant", "malformed")
        if known.request.client.id != client.id:
            raise OAuthProblem("invalid_grant", "client")
        if known.spent:
            if self.manner.replay_ends:
                known.grant.ended = known.grant.ended or "replayed"
            raise OAuthProblem("invalid_grant", "spent")
        if self._clock.now() >= known.expires_at:
            raise OAuthProblem("invalid_grant", "expired")
        if known.request.redirect_uri != redirect_uri:
            raise OAuthProblem("redirect_uri_mismatch", "redirect")
        check_verifier(known.request.challenge, verifier)
        known.spent = True
        wanted = known.request.offline and not (known.request.once_only and known.grant.has_refresh)
        return self.issue(known.grant, known.scopes, offline=wanted)

    def issue(self, grant: Grant, scopes: frozenset[str], *, offline: bool = True) -> Issue:
        """Make tokens for a grant."""
        scopes = grant.scopes if self.manner.accumulates else scopes
        access = self.make(Use.ACCESS, grant, scopes, self.manner.access_lifetime_s)
        refresh = None
        if offline:
            refresh = self.make(Use.REFRESH, grant, scopes, self.manner.refresh_lifetime_s)
            grant.has_refresh = True
        return Issue(access, refresh)

    def make(
        self, use: Use, grant: Grant, scopes: frozenset[str], lifetime_s: float | None, page_id: str = ""
    ) -> Token:
        """Make one token."""
        now = self._clock.now()
        expires_at = None if lifetime_s is None else now + lifetime_s
        token = Token(_text(self.platform, use), use, grant, scopes, now, expires_at, page_id)
        self._tokens[token.text] = token
        return token

    def refresh(self, text: str, client: Client) -> Issue:
        """A new access token.

        Raises:
            OAuthProblem: invalid_grant.
        """
        token = self.known(text, Use.REFRESH)
        if token is None or token.grant.client.id != client.id:
            raise OAuthProblem("invalid_grant", "malformed")
        if why := self.why_not(token):
            raise OAuthProblem("invalid_grant", why)
        if not self.manner.rotates:
            return Issue(
                self.make(Use.ACCESS, token.grant, token.scopes, self.manner.access_lifetime_s), token
            )
        token.spent = True
        return self.issue(token.grant, token.scopes)

    def known(self, text: str, *uses: Use) -> Token | None:
        """The token of this text, whether or not it still counts."""
        token = self._tokens.get(text)
        return token if token is not None and (not uses or token.use in uses) else None

    def why_not(self, token: Token) -> str:
        """Why a token does not count: revoked, removed, replayed, spent, expired; "" if it does."""
        if token.grant.ended:
            return token.grant.ended
        if token.spent:
            return "spent"
        if token.expires_at is not None and self._clock.now() >= token.expires_at:
            return "expired"
        return ""

    def seconds_left(self, token: Token) -> int:
        """Until it expires; 0: never, as Facebook and Twitch write it."""
        return 0 if token.expires_at is None else max(0, int(token.expires_at - self._clock.now()))

    def revoke(self, token: Token, ended: str = "revoked") -> None:
        """End the whole grant that a token rests on."""
        token.grant.ended = token.grant.ended or ended

    def tokens(self, matching: Callable[[Token], bool]) -> list[Token]:
        """All tokens that fit."""
        return [token for token in self._tokens.values() if matching(token)]

    def expire(self, *uses: Use, account_id: str = "") -> int:
        """Make tokens expire now; returns how many."""
        now = self._clock.now()
        found = self.tokens(
            lambda token: (
                token.use in uses
                and (not account_id or token.grant.account.id == account_id)
                and (token.expires_at is None or token.expires_at > now)
            )
        )
        for token in found:
            token.expires_at = now
        return len(found)


def _text(platform: Platform, use: Use) -> str:
    """A token that looks like the platform's own, so that lengths and characters are met in tests."""
    match platform, use:
        case Platform.YOUTUBE, Use.REFRESH:
            return "1//0" + secrets.token_urlsafe(72)
        case Platform.YOUTUBE, _:
            return "ya29." + secrets.token_urlsafe(120)
        case Platform.FACEBOOK, _:
            return "EAA" + secrets.token_hex(90)
    return "".join(secrets.choice(_TWITCH_LETTERS) for _ in range(30 if use is Use.ACCESS else 50))
