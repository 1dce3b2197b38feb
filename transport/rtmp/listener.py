"""Taking publishers over RTMP and RTMPS: the port, a thread for each connection, `server.py` in it.

A TLS handshake begins with another byte than RTMP's, so one port takes both.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import secrets
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

from transport.errors import LinkError, WireError
from transport.rtmp.server import Connecting, Event, Metadata, Publishing, ServerSession, Tag, Unpublished
from transport.rtmp.wire import HANDSHAKE_BYTES

_log = logging.getLogger(__name__)

_RANDOM_BYTES = HANDSHAKE_BYTES - 8
_READ_BYTES = 64 * 1024
_BACKLOG = 128
#: RFC 8446 section 5.1: the type of a record that begins a handshake. RTMP's first byte is its version, 3.
_TLS_HANDSHAKE = b"\x16"
#: How long a client may take until it publishes, and how long it may be silent from then on.
_OPENING_S, _SILENCE_S = 10.0, 10.0
#: Connections that have not published yet; of more, the network that has most of them makes room.
_MAX_STRANGERS = 64
# A port that cannot accept, for want of descriptors, is asked again.
_PAUSE_S = 0.2


class RtmpConnection:
    """One client's connection. One thread uses it; `close` may be called from any.

    Attributes:
        id: for the log and the API.
        peer_address: host and port.
        agent: the client's software, as it calls itself.
        encryption: such as "TLSv1.3, TLS_AES_256_GCM_SHA384", "none" without TLS.
        key_bits: of that cipher, 0 without TLS.
        heard_at: time.monotonic() of the last bytes.
        bytes_received: without TLS's own.
    """

    def __init__(self, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        self.id = secrets.token_hex(4)
        self.peer_address: tuple[str, int] = _plain_address(sock.getpeername())
        self.agent = ""
        self.encryption = "none"
        self.key_bits = 0
        self.heard_at = time.monotonic()
        self.bytes_received = 0
        self._sock = sock
        self._tls = tls
        self._opens_until = self.heard_at + _OPENING_S
        self._session = ServerSession(os.urandom(_RANDOM_BYTES), self.heard_at, timeout_s=_OPENING_S)
        self._is_closed = False

    def __repr__(self) -> str:
        host, port = self.peer_address
        return f"<RtmpConnection {self.id} {host} port {port}>"

    @property
    def is_live(self) -> bool:
        """Whether it publishes."""
        return self._session.is_live

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called; its thread may not have heard yet."""
        return self._is_closed

    @property
    def network(self) -> str:
        """Whose connection it may be: the IPv4 address, or the first half of an IPv6 one."""
        address = ipaddress.ip_address(self.peer_address[0].partition("%")[0])
        return str(address) if address.version == 4 else address.exploded[:19]

    def ask(self) -> Publishing:
        """Shake hands, and hear what the client wants to publish; `accept` or `reject` answers that.

        Raises:
            LinkError: `unsupported` it speaks something else; `timeout`; `ended`.
        """
        self._greet()
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

    def close(self) -> None:
        """Hang up; whoever waits for the client hears so at once. Idempotent, any thread."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            # Not the TLS socket's own, which forgets its keys while another thread may read with them.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def release(self) -> None:
        """Give the socket back; the last thing its thread does."""
        if isinstance(self._sock, ssl.SSLSocket):
            # Its end is said (RFC 8446 section 6.1), or the client takes it for a connection that broke. The
            # answer is not waited for.
            with contextlib.suppress(OSError, ValueError):
                self._sock.settimeout(0)
                self._sock.unwrap()
        self.close()
        with contextlib.suppress(OSError):
            self._sock.close()

    def _greet(self) -> None:
        """Find out which of both protocols this is, and shake hands for TLS."""
        try:
            self._sock.settimeout(_OPENING_S)
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._sock.recv(1, socket.MSG_PEEK) != _TLS_HANDSHAKE:
                return
            if self._tls is None:
                raise LinkError("unsupported", "it speaks RTMPS, and this server has no certificate")
            self._sock = self._tls.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
            if self._is_closed:
                self.close()
            self._sock.do_handshake()
            name, version, self.key_bits = self._sock.cipher() or ("", "", 0)
            self.encryption = f"{version}, {name}"
        except TimeoutError:
            raise LinkError("timeout", "no handshake within 10 s") from None
        except ssl.SSLError as error:
            raise _refused(error) or self._ended(error) from None
        except (OSError, ValueError) as error:
            raise self._ended(error) from None

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
            raise self._ended(None)
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

    def _ended(self, error: Exception | None) -> LinkError:
        if self._is_closed:
            return LinkError("ended", "closed")
        if error is None:
            return LinkError("ended", "the publisher left")
        return LinkError("ended", f"the connection broke: {error}")


class RtmpListener:
    """The port. Listens from the start.

    Args:
        address: host ("::" for every address, IPv4 and IPv6) and port, 0 for any.
        serve: given each connection in a thread of its own; returns when it is over.
        tls: for RTMPS, None without a certificate.

    Attributes:
        address: where it listens.
        is_secure: it takes RTMPS.

    Raises:
        LinkError: `unreachable`: the port cannot be had.
    """

    def __init__(
        self,
        address: tuple[str, int],
        serve: Callable[[RtmpConnection], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._serve = serve
        self._tls = tls
        self._lock = threading.Lock()
        self._threads: dict[RtmpConnection, threading.Thread] = {}
        self._is_closed = False
        try:
            self._sock = socket.create_server(
                address,
                family=socket.AF_INET6 if ":" in address[0] else socket.AF_INET,
                backlog=_BACKLOG,
                dualstack_ipv6=address[0] == "::" and socket.has_dualstack_ipv6(),
            )
        except OSError as error:
            host, port = address
            raise LinkError("unreachable", f"cannot listen on {host} port {port}: {error.strerror}") from None
        host, port = self._sock.getsockname()[:2]
        self.address: tuple[str, int] = (host, port)
        self.is_secure = tls is not None
        _log.info("listening for RTMP%s on %s port %d", " and RTMPS" if tls else "", host, port)
        self._thread = threading.Thread(target=self._accept, name=f"rtmp-accept-{port}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let nobody in any more, end every connection and wait for the threads."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._sock.close()
        with self._lock:
            threads = dict(self._threads)
        for connection in threads:
            connection.close()
        for thread in threads.values():
            thread.join()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                sock, _ = self._sock.accept()
            except OSError:
                if not self._is_closed:
                    time.sleep(_PAUSE_S)
                continue
            try:
                connection = RtmpConnection(sock, self._tls)
            except OSError:  # it has left already
                sock.close()
                continue
            self._begin(connection)

    def _begin(self, connection: RtmpConnection) -> None:
        thread = threading.Thread(
            target=self._run, args=(connection,), name=f"rtmp {connection.id}", daemon=True
        )
        with self._lock:
            self._make_room()
            self._threads[connection] = thread
        try:
            thread.start()
        except RuntimeError as error:
            _log.error("rtmp %s:%d: no thread for it: %s", *connection.peer_address, error)
            self._forget(connection)

    def _make_room(self) -> None:
        strangers = [each for each in self._threads if not (each.is_live or each.is_closed)]
        if len(strangers) < _MAX_STRANGERS:
            return
        ((most, _),) = Counter(each.network for each in strangers).most_common(1)
        next(each for each in strangers if each.network == most).close()

    def _run(self, connection: RtmpConnection) -> None:
        try:
            self._serve(connection)
        except Exception:  # one client's trouble must stay its own
            _log.exception("rtmp: a connection failed", extra={"session": connection.id})
        finally:
            self._forget(connection)

    def _forget(self, connection: RtmpConnection) -> None:
        connection.release()
        with self._lock:
            self._threads.pop(connection, None)


def _plain_address(name: tuple[str, int] | tuple[str, int, int, int]) -> tuple[str, int]:
    """Host and port; IPv4 as such where a socket for both wraps it."""
    host = name[0]
    return host.removeprefix("::ffff:") if "." in host.partition("%")[0] else host, name[1]


def _refused(error: ssl.SSLError) -> LinkError | None:
    """What a client's alert says of this server's certificate (RFC 8446 section 6.2); None when nothing."""
    _, _, alert = (error.reason or "").partition("_ALERT_")
    if "CERTIFICATE" not in alert and alert != "UNKNOWN_CA":
        return None
    return LinkError(
        "unsupported", f"it does not take this server's certificate: {alert.lower().replace('_', ' ')}"
    )
