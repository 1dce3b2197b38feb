"""Somebody whose credential was believed, and what it lets him do: the rules of deciding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auth.access.permit import Basis, Permit, earlier
from auth.access.snapshot import Right, Snapshot
from auth.errors import BadGrant, Forbidden, TokenInvalid
from auth.permissions.actions import Action
from auth.permissions.grants import GrantKind, NewGrant
from auth.permissions.limits import NO_LIMITS
from auth.permissions.patterns import covers, matches
from auth.permissions.principals import Kind, Principal
from auth.tokens.claims import Claims
from auth.tokens.tokens import SERVER, TokenOrder


@dataclass(frozen=True, slots=True)
class Holder:
    """Who came with a credential that counts.

    Attributes:
        principal: who acts; the bearer of a token is somebody of his own, so that a shared link is never
            taken for the one who shared it.
        subject: whose grants bound what he may do; "" when nobody's do.
        expires_at: the credential's own end; None for never.
        claims: of a token.
    """

    principal: Principal
    subject: str
    expires_at: float | None
    claims: Claims | None = None
    session: str = ""
    api_key: str = ""

    @property
    def in_name_of(self) -> str:
        """What stands as the issuer of tokens and the giver of grants that he makes."""
        return self.subject or SERVER

    def rights(self, snapshot: Snapshot, stream: str, now: float) -> dict[Action, Right]:
        """What he may do to a stream: with a token never more than its issuer may, nor than it says."""
        claims = self.claims
        if claims is not None and not any(matches(pattern, stream) for pattern in claims.streams):
            return {}
        if not self.subject:
            return {} if claims is None else dict.fromkeys(claims.actions, _OF_A_TOKEN)
        principal = snapshot.directory.active(self.subject)
        if principal is None:
            return {}
        rights = snapshot.rights(principal, stream, now)
        if claims is not None:
            rights = {action: right for action, right in rights.items() if action in claims.actions}
        return rights

    def somewhere(self, snapshot: Snapshot, action: Action, now: float) -> str:
        """A stream that he may do something to, if there is one; "" if to the server, or nowhere."""
        patterns = [] if self.claims is None else list(self.claims.streams)
        principal = snapshot.directory.active(self.subject) if self.subject else None
        if principal is not None:
            patterns += [grant.stream for grant in snapshot.granted(principal)]
        if action in self.rights(snapshot, "", now):
            return ""
        # What stands before the star is the shortest name that matches.
        names = (pattern.rstrip("*") for pattern in patterns)
        return next((name for name in names if name and action in self.rights(snapshot, name, now)), "")

    def permit(
        self, snapshot: Snapshot, action: Action, stream: str, address: str, now: float, version: int
    ) -> Permit | None:
        """Leave for an action, if he may."""
        rights = self.rights(snapshot, stream, now)
        right = rights.get(action)
        if right is None:
            return None
        claims = self.claims
        return Permit(
            principal=self.principal,
            action=action,
            actions=frozenset(rights),
            stream=stream,
            address=address,
            basis=Basis.GRANT if claims is None else Basis.TOKEN,
            decided_at=now,
            version=version,
            expires_at=earlier(self.expires_at, right.expires_at),
            credential_expires_at=self.expires_at,
            subject=self.subject,
            session=self.session,
            api_key=self.api_key,
            support=right.support,
            token_id="" if claims is None else claims.token_id,
            token_subject="" if claims is None else claims.subject,
            issued_at=0.0 if claims is None else claims.issued_at,
            signing_key="" if claims is None or claims.issuer else claims.key,
            issuer="" if claims is None else claims.issuer,
            limits=NO_LIMITS if claims is None else claims.limits,
        )

    def check_passing_on(
        self, snapshot: Snapshot, actions: frozenset[Action], patterns: Sequence[str], now: float
    ) -> None:
        """Whether he may give others these actions on all of these patterns.

        Raises:
            Forbidden: he has not all of it himself, or only as support.
        """
        for action in sorted(actions):
            for pattern in patterns:
                if not self._has_all(snapshot, action, pattern, now):
                    raise Forbidden(action, pattern, "nobody passes on what is not his own")

    def check_grant(self, snapshot: Snapshot, new: NewGrant, now: float) -> None:
        """Whether he may give a grant.

        Raises:
            Forbidden: he does not administer all that it is for.
            BadGrant: it would be in another's name.
        """
        self.check_passing_on(snapshot, frozenset({Action.ADMIN}), (new.stream,), now)
        if new.granted_by != self.in_name_of:
            raise BadGrant("a grant is given in one's own name")

    def check_order(self, snapshot: Snapshot, order: TokenOrder, now: float) -> None:
        """Whether he may issue a token.

        Raises:
            Forbidden: he does not manage its streams, or has not all that it would allow.
            BadGrant: it would be in another's name, or outlive the token it is asked for with.
        """
        self.check_passing_on(snapshot, order.actions | {Action.MANAGE}, order.streams, now)
        if order.subject != self.in_name_of:
            raise BadGrant("a token is issued in one's own name")
        in_charge = self.claims is not None and Action.ADMIN in self.claims.actions
        if self.claims is not None and not in_charge and now + order.lifetime_s > self.claims.expires_at:
            raise BadGrant("a token that is asked for with a token cannot outlive it")

    def _has_all(self, snapshot: Snapshot, action: Action, pattern: str, now: float) -> bool:
        claims = self.claims
        if claims is not None and not (
            action in claims.actions and any(covers(outer, pattern) for outer in claims.streams)
        ):
            return False
        if not self.subject:
            return claims is not None and not claims.issuer
        principal = snapshot.directory.active(self.subject)
        return principal is not None and any(
            action in grant.actions
            and grant.kind is not GrantKind.SUPPORT
            and not grant.is_over(now)
            and covers(grant.stream, pattern)
            for grant in snapshot.granted(principal)
        )


_OF_A_TOKEN = Right(None, support=False)


def token_holder(claims: Claims, snapshot: Snapshot, address: str) -> Holder:
    """Who bears a token whose signature and times are right.

    Raises:
        TokenInvalid: revoked, not from this address, or its issuer's account is disabled or gone.
    """
    if is_revoked(claims.token_id, claims.subject, claims.issued_at, snapshot):
        raise TokenInvalid("it was revoked")
    if not claims.limits.admits(address):
        raise TokenInvalid("it may not be used from this address")
    if claims.issuer:
        principal = Principal(claims.subject, Kind.USER, claims.name)
        return Holder(principal, "", claims.expires_at, claims)
    if claims.subject == SERVER:
        name = f"token {claims.token_id}"
        subject = ""
    else:
        issuer = snapshot.directory.active(claims.subject)
        if issuer is None:
            raise TokenInvalid("the account that issued it is disabled or gone")
        name = f"token {claims.token_id} of {issuer.name}"
        subject = claims.subject
    principal = Principal(f"token:{claims.token_id}", Kind.SERVICE, name)
    return Holder(principal, subject, claims.expires_at, claims)


def is_revoked(token_id: str, subject: str, issued_at: float, snapshot: Snapshot) -> bool:
    """Whether a token does not count though it is genuine: by itself, or with all of a time."""
    return token_id in snapshot.revoked or issued_at <= snapshot.issued_until(subject)
