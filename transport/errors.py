"""What can go wrong below the hub.

TransportError
├── WireError       the peer sent something the protocol does not allow
├── StateError      our own code used an object out of order
└── LinkError       a socket, a library or the other side gave up; carries a stable `reason`
"""

from __future__ import annotations


class TransportError(Exception):
    """Base of everything this package raises on purpose."""


class WireError(TransportError):
    """The peer's fault: bytes that the protocol does not allow."""


class StateError(TransportError):
    """Our own fault: a call that the object's state does not allow."""


class LinkError(TransportError):
    """A connection could not be made or kept.

    Attributes:
        reason: one word for programs: `refused`, `unauthorized`, `not_found`, `occupied`, `certificate`,
            `timeout`, `silent`, `ended`, `unsupported`, `unreachable`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
