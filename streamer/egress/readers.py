"""Who reads, over whatever protocol: players, decoders, recorders, other servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from streamer.encryption import Leg
from streamer.hub.stream import Stream


class NoSuchReader(LookupError):
    """No reader has this id."""

    def __init__(self, id: str) -> None:
        super().__init__(f"no reader has the id {id!r}")


class StreamReader(Protocol):
    """One of them; `SrtReader` says what is what."""

    @property
    def id(self) -> str: ...  # noqa: D102

    @property
    def protocol(self) -> str: ...  # noqa: D102

    @property
    def stream(self) -> Stream: ...  # noqa: D102

    @property
    def address(self) -> str: ...  # noqa: D102

    @property
    def since(self) -> float: ...  # noqa: D102

    @property
    def user(self) -> str: ...  # noqa: D102

    @property
    def skipped(self) -> int: ...  # noqa: D102

    def end(self, reason: str) -> None:
        """Hang up. Returns at once."""
        ...

    def encryption(self) -> Leg | None:
        """What media goes out with; None while unknown."""
        ...

    def describe(self) -> dict[str, object]:
        """Link statistics for the API."""
        ...


class ReaderSource(Protocol):
    """Knows some of them."""

    @property
    def readers(self) -> Sequence[StreamReader]:
        """Who reads now."""
        ...


class AllReaders:
    """Those of several protocols."""

    def __init__(self, *sources: ReaderSource) -> None:
        self._sources = sources

    @property
    def readers(self) -> list[StreamReader]:
        """Who reads now."""
        return [reader for source in self._sources for reader in source.readers]

    def by_id(self, id: str) -> StreamReader:
        """Look a reader up.

        Raises:
            NoSuchReader: nobody has this id.
        """
        for reader in self.readers:
            if reader.id == id:
                return reader
        raise NoSuchReader(id)
