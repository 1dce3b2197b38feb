"""The one SRT port: callers that publish and callers that read, each led to who knows them."""

from __future__ import annotations

from typing import Protocol

from streamer.sections.base import split_address
from streamer.sections.srt import SrtConfig
from transport.errors import LinkError, TransportError
from transport.srt import (
    Admission,
    Mode,
    Refused,
    RejectReason,
    SrtConnection,
    SrtListener,
    StreamId,
    WeakKey,
)


class Side(Protocol):
    """Callers of one mode; what an `SrtListener` calls."""

    def admit(self, stream_id: StreamId, address: tuple[str, int]) -> Admission:
        """Decide about one, see `SrtListener`."""
        ...

    def connected(self, connection: SrtConnection) -> None:
        """Take over its connection."""
        ...

    def refused(self, address: tuple[str, int], error: TransportError) -> None:
        """It was turned away."""
        ...


class SrtPort:
    """Listens from the start.

    Args:
        config: where, and how.
        publishers: who brings a stream.
        readers: who wants one.

    Raises:
        LinkError: the port cannot be had; says which key asks for it.
    """

    def __init__(self, config: SrtConfig, publishers: Side, readers: Side) -> None:
        self._publishers = publishers
        self._readers = readers
        try:
            self._listener = SrtListener(
                split_address(config.listen), config.options, self._admit, self._connected, self._refused
            )
        except LinkError as error:
            raise LinkError(error.reason, f"srt.listen: {error}") from None

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self._listener.address

    def close(self) -> None:
        """Let nobody in any more; who is in stays."""
        self._listener.close()

    def _side(self, stream_id: StreamId) -> Side:
        return self._publishers if stream_id.mode is Mode.PUBLISH else self._readers

    def _admit(self, stream_id: StreamId, address: tuple[str, int]) -> Admission:
        if stream_id.mode is Mode.BIDIRECTIONAL:
            raise Refused(RejectReason.BAD_REQUEST, "mode bidirectional; expected m=publish or m=request")
        return self._side(stream_id).admit(stream_id, address)

    def _connected(self, connection: SrtConnection) -> None:
        self._side(connection.stream_id).connected(connection)

    def _refused(self, address: tuple[str, int], error: TransportError) -> None:
        if isinstance(error, WeakKey):  # of the others nobody knows what they wanted
            self._side(error.stream_id).refused(address, error)
