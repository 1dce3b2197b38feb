"""A TCP port on which strangers call in the clear or over TLS: a thread for each, and room for the next.

A TLS handshake begins with another byte than any protocol that is spoken here, so one port takes both. What
is spoken is in `rtmp/listener.py` and `rtsp/listener.py`.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import secrets
import socket
import ssl
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from typing import Generic, TypeVar

from transport.errors import LinkError

_log = logging.getLogger(__name__)

_BACKLOG = 128
#: RFC 8446 section 5.1: the type of a record that begins a handshake.
_TLS_HANDSHAKE = b"\x16"
#: Connections that do nothing useful yet; of more, the network that has most of them makes room.
MAX_STRANGERS = 64
# A port that cannot accept, for want of descriptors, is asked again.
_PAUSE_S = 0.2


class Caller(ABC):
    """One client's connection. One thread uses it; `close` may be called from any.

    Attributes:
        id: for the log and the API.
        peer_address: host and port.
        encryption: such as "TLSv1.3, TLS_AES_256_GCM_SHA384", "none" without TLS.
        key_bits: of that cipher, 0 without TLS.
        heard_at: time.monotonic() of the last bytes.
        bytes_received: without TLS's own.
    """

    def __init__(self, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        self.id = secrets.token_hex(4)
        self.peer_address: tuple[str, int] = _plain_address(sock.getpeername())
        self.encryption = "none"
        self.key_bits = 0
        self.heard_at = time.monotonic()
        self.bytes_received = 0
        self._sock = sock
        self._tls = tls
        self._is_closed = False

    def __repr__(self) -> str:
        host, port = self.peer_address
        return f"<{type(self).__name__} {self.id} {host} port {port}>"

    @property
    @abstractmethod
    def is_live(self) -> bool:
        """Whether it is no stranger: strangers never put it out."""

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called; its thread may not have heard yet."""
        return self._is_closed

    @property
    def network(self) -> str:
        """Whose connection it may be: the IPv4 address, or the first half of an IPv6 one."""
        address = ipaddress.ip_address(self.peer_address[0].partition("%")[0])
        return str(address) if address.version == 4 else address.exploded[:19]

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

    def _greet(self, timeout_s: float, secure_name: str) -> None:
        """Find out which of both it is, in the clear or over TLS, and shake hands for the latter.

        Args:
            timeout_s: for all of it.
            secure_name: of the protocol over TLS.

        Raises:
            LinkError: `unsupported` TLS, and there is no certificate; `timeout`; `ended`.
        """
        try:
            self._sock.settimeout(timeout_s)
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._sock.recv(1, socket.MSG_PEEK) != _TLS_HANDSHAKE:
                return
            if self._tls is None:
                raise LinkError("unsupported", f"it speaks {secure_name}, and this server has no certificate")
            self._sock = self._tls.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
            if self._is_closed:
                self.close()
            self._sock.do_handshake()
            name, version, self.key_bits = self._sock.cipher() or ("", "", 0)
            self.encryption = f"{version}, {name}"
        except TimeoutError:
            raise LinkError("timeout", f"no handshake within {timeout_s:g} s") from None
        except ssl.SSLError as error:
            raise _refused(error) or self._ended(error) from None
        except (OSError, ValueError) as error:
            raise self._ended(error) from None

    def _ended(self, error: Exception | None, who: str = "the client") -> LinkError:
        if self._is_closed:
            return LinkError("ended", "closed")
        if error is None:
            return LinkError("ended", f"{who} left")
        return LinkError("ended", f"the connection broke: {error}")


C = TypeVar("C", bound=Caller)


class Listener(Generic[C]):
    """The port. Listens from the start.

    Args:
        address: host ("::" for every address, IPv4 and IPv6) and port, 0 for any.
        protocol: its name in the log; with an S behind it, over TLS.
        make: a connection of a client's socket; may raise OSError for one that has left already.
        serve: given each connection in a thread of its own; returns when it is over.
        tls: for the protocol over TLS, None without a certificate.

    Attributes:
        address: where it listens.
        is_secure: it takes the protocol over TLS.

    Raises:
        LinkError: `unreachable`: the port cannot be had.
    """

    def __init__(
        self,
        address: tuple[str, int],
        protocol: str,
        make: Callable[[socket.socket, ssl.SSLContext | None], C],
        serve: Callable[[C], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._protocol = protocol.lower()
        self._make = make
        self._serve = serve
        self._tls = tls
        self._lock = threading.Lock()
        self._threads: dict[C, threading.Thread] = {}
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
        both = f" and {protocol}S" if tls else ""
        _log.info("listening for %s%s on %s port %d", protocol, both, host, port)
        name = f"{self._protocol}-accept-{port}"
        self._thread = threading.Thread(target=self._accept, name=name, daemon=True)
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
                connection = self._make(sock, self._tls)
            except OSError:  # it has left already
                sock.close()
                continue
            self._begin(connection)

    def _begin(self, connection: C) -> None:
        thread = threading.Thread(
            target=self._run, args=(connection,), name=f"{self._protocol} {connection.id}", daemon=True
        )
        with self._lock:
            self._make_room()
            self._threads[connection] = thread
        try:
            thread.start()
        except RuntimeError as error:
            _log.error("%s %s:%d: no thread for it: %s", self._protocol, *connection.peer_address, error)
            self._forget(connection)

    def _make_room(self) -> None:
        strangers = [each for each in self._threads if not (each.is_live or each.is_closed)]
        if len(strangers) < MAX_STRANGERS:
            return
        ((most, _),) = Counter(each.network for each in strangers).most_common(1)
        next(each for each in strangers if each.network == most).close()

    def _run(self, connection: C) -> None:
        try:
            self._serve(connection)
        except Exception:  # one client's trouble must stay its own
            _log.exception("%s: a connection failed", self._protocol, extra={"session": connection.id})
        finally:
            self._forget(connection)

    def _forget(self, connection: C) -> None:
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
