"""What can go wrong when somebody asks to be let in.

AuthError
├── BadCredentials      a wrong name, password, code or key; never says which of them
│   └── FactorNeeded    the password was right, a second factor is missing
├── TokenInvalid        a token that cannot be believed; says why
│   └── TokenExpired    one that was good once
├── Forbidden           known, but not allowed to do this
├── SeatsTaken          allowed, but as many are in by the same token as may be at once
├── LockedOut           too many failures; says when to try again
├── RateLimited         too many requests from one address; says when to try again
├── NoSuchPrincipal     an account or group that is not there
├── PasswordRefused     a new password that is too short, too long or too easy to guess; says which
├── NoSuchGrant         a grant that is not there, or not any more
├── BadGrant            a grant that cannot be given as asked; says what is expected
├── AccountConflict     a name that is taken, or a change that would leave nobody in charge
├── NoSuchConnection    a connection to a platform that is not there
├── ReconnectNeeded     a connection that does not work any more until somebody connects it again
├── PlatformRefused     a platform that does not let somebody connect; says why
├── VaultError          a secret at rest or a master key that cannot be used
└── AuthUnavailable     who decides (directory, identity provider, webhook, database) does not answer

Protocol status codes are decided at the edge. No text of these carries a secret.
"""

from __future__ import annotations


class AuthError(Exception):
    """Base of everything this package raises on purpose."""


class BadCredentials(AuthError):
    """A wrong name, password, code or key. The text never says which, nor whether the account exists."""

    def __init__(self, message: str = "name or password is wrong") -> None:
        super().__init__(message)


class FactorNeeded(BadCredentials):
    """The password was right; a second factor is missing.

    Attributes:
        factors: which would do, of "totp", "passkey", "recovery".
        ticket: stands for the password in the second step, for a few minutes; a secret.
    """

    def __init__(self, factors: frozenset[str], ticket: str = "") -> None:
        super().__init__(f"a second factor is needed: {', '.join(sorted(factors))}")
        self.factors = factors
        self.ticket = ticket


class TokenInvalid(AuthError):
    """A token that cannot be believed: its form, algorithm, key, issuer, audience or limits.

    Attributes:
        why: for logs and clients; quotes nothing of the token.
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"this token does not count: {why}")
        self.why = why


class TokenExpired(TokenInvalid):
    """A token or session that was good once."""

    def __init__(self, why: str = "it has expired") -> None:
        super().__init__(why)


class Forbidden(AuthError):
    """Known, but not allowed to do this.

    Attributes:
        action: what was asked for, as in `Action`.
        stream: the stream it was asked of, "" for the server as a whole.
    """

    def __init__(self, action: str, stream: str = "", why: str = "") -> None:
        what = f"to {action} {stream!r}" if stream else f"to {action} this server"
        super().__init__(f"not allowed {what}" + (f": {why}" if why else ""))
        self.action = action
        self.stream = stream


class SeatsTaken(AuthError):
    """Allowed, but as many are in by the same token as may be at once; when one leaves there is room.

    Attributes:
        action: what was asked for, as in `Action`.
        stream: the stream it was asked of.
        at_once: how many may be in.
    """

    def __init__(self, action: str, stream: str, at_once: int) -> None:
        super().__init__(
            f"not allowed to {action} {stream!r} now: all {at_once} places of this token are taken; "
            "try again when one is free"
        )
        self.action = action
        self.stream = stream
        self.at_once = at_once


class LockedOut(AuthError):
    """Too many failures from here or on this account.

    Attributes:
        retry_after_s: when the next try is looked at, seconds from now.
    """

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"too many failed attempts; try again in {max(1, round(retry_after_s))} s")
        self.retry_after_s = retry_after_s


class RateLimited(AuthError):
    """Too many requests from one address.

    Attributes:
        retry_after_s: when the next request will be taken, seconds from now.
    """

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"too many requests; try again in {max(1, round(retry_after_s))} s")
        self.retry_after_s = retry_after_s


class NoSuchPrincipal(AuthError):
    """An account or group that is not there."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no account or group {name!r}")
        self.name = name


class PasswordRefused(AuthError):
    """A new password that will not do.

    Attributes:
        expected: what would, for whoever chose it.
    """

    def __init__(self, expected: str) -> None:
        super().__init__(f"this password will not do: expected {expected}")
        self.expected = expected


class NoSuchGrant(AuthError):
    """A grant that is not there, or not any more."""

    def __init__(self, grant_id: str) -> None:
        super().__init__(f"there is no grant {grant_id!r}")
        self.grant_id = grant_id


class BadGrant(AuthError):
    """A grant, or a token, that cannot be given as asked; the text says what is expected."""


class AccountConflict(AuthError):
    """A name that is taken, or a change that would leave nobody in charge."""


class NoSuchConnection(AuthError):
    """A connection to a platform that is not there, or not for the one who asks."""

    def __init__(self, connection_id: str) -> None:
        super().__init__(f"there is no connection {connection_id!r}")
        self.connection_id = connection_id


class ReconnectNeeded(AuthError):
    """A connection that was revoked, has expired or lacks a scope; the text says which and what to do."""


class PlatformRefused(AuthError):
    """A platform that does not let somebody connect, or stay connected.

    Attributes:
        code: the platform's word for it, such as `access_denied`, `invalid_grant`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class VaultError(AuthError):
    """A secret at rest or a master key that cannot be used; the text quotes neither."""


class AuthUnavailable(AuthError):
    """Who decides does not answer; the door stays closed."""
