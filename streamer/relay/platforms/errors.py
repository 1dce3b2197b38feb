"""What a platform says no with, in words that whoever produces the programme understands.

StreamerError
└── PlatformError        the platform refuses, or does not answer
    ├── NeedsReconnect   nothing will work before somebody connects the account again
    └── Exhausted        a quota or rate limit; says when to try again
"""

from __future__ import annotations

from streamer.errors import StreamerError


class PlatformError(StreamerError):
    """The platform refuses, or does not answer. The text carries no secret.

    Attributes:
        reason: one word for programs, such as `not_enabled`, `not_found`, `unavailable`.
        retryable: whether the same may work later without anybody doing something.
        retry_after_s: when that makes sense, seconds from now; None where the platform does not say.
    """

    def __init__(
        self, reason: str, message: str, *, retryable: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class NeedsReconnect(PlatformError):
    """The connection was revoked, has expired or lacks a scope: somebody must connect the account again."""

    def __init__(self, message: str) -> None:
        super().__init__("reconnect", message)


class Exhausted(PlatformError):
    """A quota or a rate limit is used up."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__("exhausted", message, retryable=True, retry_after_s=retry_after_s)
