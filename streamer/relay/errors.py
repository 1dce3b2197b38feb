"""What can go wrong with relays.

StreamerError
└── RelayError
    ├── NoSuchRelay           no relay or destination has this id
    ├── NoSuchDestination     the same, of what is kept in the database
    ├── RelayRefused          this stream must not go, or cannot go, to this destination
    ├── RelayBusy             not while it is running
    └── RelayHeld             another machine relays it
"""

from __future__ import annotations

from streamer.errors import StreamerError


class RelayError(StreamerError):
    """Base of everything this package raises on purpose."""


class NoSuchRelay(RelayError):
    """No relay has this id."""

    def __init__(self, id: str) -> None:
        super().__init__(f"there is no relay {id!r}")
        self.id = id


class NoSuchDestination(RelayError):
    """No destination has this id."""

    def __init__(self, id: str) -> None:
        super().__init__(f"there is no destination {id!r}")
        self.id = id


class RelayRefused(RelayError):
    """This stream must not, or cannot, go to this destination; says why and what was expected."""


class RelayBusy(RelayError):
    """Not while it is running; stop it first."""


class RelayHeld(RelayError):
    """Another machine relays it.

    Attributes:
        owner: that machine's name.
    """

    def __init__(self, owner: str) -> None:
        super().__init__(f"another machine ({owner}) relays it")
        self.owner = owner
