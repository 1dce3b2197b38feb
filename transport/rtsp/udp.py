"""The pair of UDP ports for RTP and RTCP that all sessions of an RTSP port share."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable

from transport.errors import LinkError
from transport.rtsp.bell import Bell

_MAX_DATAGRAM_BYTES = 65536
_RECEIVE_BUFFER_BYTES = 4 << 20

#: Given whether a datagram came to the port for RTCP, and the datagram; in the pair's thread, and must return
#: at once.
Taker = Callable[[bool, bytes], None]
Peer = tuple[str, int] | tuple[str, int, int, int]


def even_port(port: int) -> int:
    """Where RTP is beside an RTSP port: the same number, or the next, as it is even (RFC 3550 section 11)."""
    return port + port % 2


class UdpPair:
    """Sends to, and hears, those who joined. Thread-safe.

    Args:
        host: as the RTSP port's.
        port: for RTP, RTCP has the next.

    Attributes:
        ports: both.

    Raises:
        LinkError: `unreachable`: one cannot be had.
    """

    def __init__(self, host: str, port: int) -> None:
        self.ports = (port, port + 1)
        self._takers: dict[tuple[str, int], Taker] = {}
        self._is_closed = False
        self._bell = Bell()
        self._sockets: list[socket.socket] = []
        try:
            for each in self.ports:
                self._sockets.append(_bind(host, each))
        except (OSError, OverflowError) as error:
            self._close_sockets()
            why = error.strerror if isinstance(error, OSError) else "no such port"
            raise LinkError("unreachable", f"cannot listen on {host} UDP port {each}: {why}") from None
        self._thread = threading.Thread(target=self._run, name=f"rtsp-udp-{port}", daemon=True)
        self._thread.start()

    def join(self, peer: Peer, ports: tuple[int, int], take: Taker) -> None:
        """Have what comes from these ports of a client taken."""
        for port in ports:
            self._takers[peer[0], port] = take

    def leave(self, peer: Peer, ports: tuple[int, int], take: Taker) -> None:
        """The opposite of `join`; nothing where another client has joined in its place."""
        for port in ports:
            if self._takers.get((peer[0], port)) is take:
                del self._takers[peer[0], port]

    def send(self, peer: Peer, port: int, packet: bytes, *, is_rtcp: bool) -> bool:
        """Send a packet to a client; whether the network took it."""
        try:
            self._sockets[is_rtcp].sendto(packet, (peer[0], port, *peer[2:]))
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Give the ports back."""
        self._is_closed = True
        self._bell.ring()
        self._thread.join()
        self._close_sockets()

    def _close_sockets(self) -> None:
        for sock in self._sockets:
            sock.close()
        self._bell.close()

    def _run(self) -> None:
        poll = select.poll()
        of_fd = {sock.fileno(): (sock, index == 1) for index, sock in enumerate(self._sockets)}
        for fd in (*of_fd, self._bell.fileno()):
            poll.register(fd, select.POLLIN)
        while not self._is_closed:
            for fd, _ in poll.poll():
                if fd in of_fd:
                    self._receive(*of_fd[fd])

    def _receive(self, sock: socket.socket, is_rtcp: bool) -> None:
        with contextlib.suppress(BlockingIOError):
            while not self._is_closed:
                try:
                    data, peer = sock.recvfrom(_MAX_DATAGRAM_BYTES)
                except BlockingIOError:
                    raise
                except OSError:  # an ICMP message about a client that is gone
                    continue
                take = self._takers.get((peer[0], peer[1]))
                if take is not None:
                    take(is_rtcp, data)


def _bind(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        if sock.family is socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        sock.setblocking(False)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    return sock
