"""What can go wrong in the server's own logic.

StreamerError
├── ConfigError        a configuration that cannot be used; carries every finding
├── NoSuchStream       a name that is not configured
├── AlreadyPublished   somebody publishes this stream already
├── Full               there is no room for one more
├── NotLive            nobody publishes this stream now
└── Unplayable         this viewer cannot be given this stream; says what would help
"""

from __future__ import annotations

from dataclasses import dataclass


class StreamerError(Exception):
    """Base of everything this package raises on purpose."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a configuration.

    Attributes:
        key: dotted, as in the file: `streams.cam.pbkeylen`.
        value: what stood there, as text; secrets are replaced by `***`.
        expected: what would have been right.
    """

    key: str
    value: str
    expected: str

    def __str__(self) -> str:
        """One line for a log or a terminal."""
        return f"{self.key} = {self.value}: {self.expected}"


class ConfigError(StreamerError):
    """A configuration that cannot be used."""

    def __init__(self, source: str, findings: list[Finding]) -> None:
        super().__init__("\n".join(f"{source}: {finding}" for finding in findings))
        self.source = source
        self.findings = findings


class NoSuchStream(StreamerError):
    """A name that is not configured."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no stream is called {name!r}")
        self.name = name


class AlreadyPublished(StreamerError):
    """Somebody publishes this stream already; a second publisher never takes over."""

    def __init__(self, name: str, by: str) -> None:
        super().__init__(f"{name!r} is being published by {by}")
        self.name = name
        self.by = by


class NotLive(StreamerError):
    """Nobody publishes this stream now.

    Attributes:
        retry_after_s: when asking again makes sense.
    """

    def __init__(self, name: str, why: str, retry_after_s: int = 2) -> None:
        super().__init__(f"{name!r} is not live: {why}")
        self.name = name
        self.why = why
        self.retry_after_s = retry_after_s


class Full(StreamerError):
    """The server takes no more of these, or is stopping; says which."""


class Unplayable(StreamerError):
    """This viewer cannot be given this stream; the text says why and what would help."""
