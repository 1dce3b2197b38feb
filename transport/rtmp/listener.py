"""Taking publishers over RTMP and RTMPS: the port, a thread for each connection, `server.py` in it.

What it shares with other ports is in `transport/listening.py`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator

from transport.errors import LinkError, WireError
from transport.listening import Caller, Listener
from transport.rtmp.server import Connecting, Event, Metadata, Publishing, ServerSession, Tag, Unpublished
from transport.rtmp.wire import HANDSHAKE_BYTES

_RANDOM_BYTES = HANDSHAKE_BYTES - 8
_READ_BYTES = 64 * 1024
#: How long a client may take until it publishes, and how long it may be silent from then on.
_OPENING_S, _SILENCE_S = 10.0, 10.0


class RtmpConnection(Caller):
    """One client's connection; see `Caller`.

    Attributes:
        agent: the client's software, as it calls itself.
    """

    def __init__(self, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        super().__init__(sock, tls)
        self.agent = ""
        self._opens_until = self.heard_at + _OPENING_S
        self._session = ServerSession(os.urandom(_RANDOM_BYTES), self.heard_at, timeout_s=_OPENING_S)

    @property
    def is_live(self) -> bool:
        """Whether it publishes."""
        return self._session.is_live

    def ask(self) -> Publishing:
        """Shake hands, and hear what the client wants to publish; `accept` or `reject` answers that.

        Raises:
            LinkError: `unsupported` it speaks something else; `timeout`; `ended`.
        """
        self._greet(_OPENING_S, "RTMPS")
        while True:
            event = self._next_event()
            if isinstance(event, Connecting):
                self.agent = event.agent
                self._session.accept()
                self._flush()
            elif isinstance(event, Publishing):
                return event

    def accept(self) -> None:
        """Let the client publish.

        Raises:
            LinkError: `ended`; `timeout` it does not read.
        """
        self._session.accept()
        self._flush()

    def reject(self, description: str, code: str) -> None:
        """Tell the client why it may not publish; it shows the one or the other.

        Args:
            description: in words.
            code: such as "NetStream.Publish.BadName".
        """
        self._session.reject(description, code)
        with contextlib.suppress(LinkError):
            self._flush()

    def media(self) -> Iterator[Tag | Metadata]:
        """What is published, until it is over.

        Raises:
            LinkError: how it ended: `ended` the client left, or `close` was called; `timeout` it fell silent;
                `unsupported` it sent what cannot be read.
        """
        while True:
            event = self._next_event()
            if isinstance(event, Unpublished):
                with contextlib.suppress(LinkError):
                    self._flush()
                raise LinkError("ended", "the publisher left")
            if isinstance(event, Tag | Metadata):
                yield event

    def _next_event(self) -> Event:
        while (event := self._session.next_event()) is None:
            if self._session.is_ended:
                raise LinkError("ended", "the client asked for something else than publishing")
            data = self._read()
            try:
                self._session.receive(data)
            except WireError as error:
                raise LinkError("unsupported", str(error)) from None
            try:
                self._flush()
            except LinkError as error:
                # Who left at once hears no answer, and what it sent before counts; reading finds the end.
                if error.reason != "ended" or self._is_closed:
                    raise
        return event

    def _read(self) -> bytes:
        try:
            self._sock.settimeout(self._patience_s())
            data = self._sock.recv(_READ_BYTES)
        except TimeoutError:
            what = f"no media for {_SILENCE_S:g} s" if self._session.is_live else "it did not publish in time"
            raise LinkError("timeout", what) from None
        except (OSError, ValueError) as error:
            raise self._ended(error) from None
        if not data:
            raise self._ended(None, "the publisher")
        self.heard_at = time.monotonic()
        self.bytes_received += len(data)
        return data

    def _patience_s(self) -> float:
        if self._session.is_live:
            return _SILENCE_S
        left = self._opens_until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _flush(self) -> None:
        data = self._session.take_output()
        if not data:
            return
        try:
            self._sock.sendall(data)
        except TimeoutError:
            raise LinkError("timeout", "the client does not read what it is sent") from None
        except (OSError, ValueError) as error:
            raise self._ended(error) from None


class RtmpListener(Listener[RtmpConnection]):
    """The port; see `Listener`.

    Args:
        address: host and port.
        serve: given each connection in a thread of its own; returns when it is over.
        tls: for RTMPS, None without a certificate.

    Raises:
        LinkError: `unreachable`: the port cannot be had.
    """

    def __init__(
        self,
        address: tuple[str, int],
        serve: Callable[[RtmpConnection], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(address, "RTMP", RtmpConnection, serve, tls)
