"""The one RTSP port: clients that publish and clients that read, each led to who knows them."""

from __future__ import annotations

import logging
import ssl
from typing import Protocol

from streamer.sections.base import split_address
from streamer.sections.rtsp import RtspConfig
from transport.errors import LinkError
from transport.rtsp.listener import RtspConnection, RtspListener
from transport.rtsp.server import Asking

_log = logging.getLogger(__name__)


class Side(Protocol):
    """Clients that want the same."""

    def serve(self, connection: RtspConnection, asked: Asking) -> Asking | None:
        """Look after one, in its thread; see `RtspEgress`."""
        ...


class RtspPort:
    """Listens from the start, if it is to.

    Args:
        config: where.
        publishers: who brings a stream.
        readers: who wants one.
        tls: for RTSPS.

    Raises:
        LinkError: the port cannot be had; says which key asks for it.
    """

    def __init__(
        self, config: RtspConfig, publishers: Side, readers: Side, tls: ssl.SSLContext | None
    ) -> None:
        self._publishers = publishers
        self._readers = readers
        self._listener: RtspListener | None = None
        if config.listen is None:
            return
        try:
            self._listener = RtspListener(split_address(config.listen), self._serve, tls, udp=config.udp)
        except LinkError as error:
            raise LinkError(error.reason, f"rtsp.listen: {error}") from None

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._listener is not None
        return self._listener.address

    def announce(self) -> None:
        """Say where clients call."""
        if self._listener is not None:
            schemes = "rtsp:// and rtsps:// take" if self._listener.is_secure else "rtsp:// takes"
            _log.info("%s publishers and readers at %s:%d", schemes, *self._listener.address)

    def close(self) -> None:
        """Let nobody in any more, end everybody and wait for the threads."""
        if self._listener is not None:
            self._listener.close()

    def _serve(self, connection: RtspConnection) -> None:
        host, port = connection.peer_address
        try:
            connection.greet()
            self._talk(connection)
        except LinkError as error:
            # Who speaks something else may have been set up wrongly; who just leaves was not.
            level = logging.WARNING if error.reason == "unsupported" else logging.DEBUG
            _log.log(level, "rtsp %s:%d: %s", host, port, error, extra={"session": connection.id})
        finally:
            connection.finish()

    def _talk(self, connection: RtspConnection) -> None:
        asked: Asking | None = None
        while True:
            asked = asked or connection.ask()
            if asked.announced is None:
                asked = self._readers.serve(connection, asked)
            else:
                asked = self._publishers.serve(connection, asked)
