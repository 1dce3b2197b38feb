"""The two ways to a viewer: a UDP address, or a TCP connection that it opened (RFC 6544, passive side).

Used by the plane's thread only; nothing here waits.
"""

from __future__ import annotations

import ipaddress
import math
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from transport.plane.framing import Framer, frame
from transport.plane.stun import Address

#: With more than this waiting in our own buffer, a connection takes no new access unit.
MAX_BACKLOG_BYTES = 512 * 1024
#: What no viewer reaches by following that rule; reports and answers alone must not grow without end either.
_MAX_BUFFER_BYTES = 32 * 1024 * 1024
#: Answers to somebody who has proved nothing; who does not read them is no viewer.
_MAX_STRANGER_BYTES = 4096

_RECEIVE_BYTES = 65536


def plain_address(sockaddr: tuple[str, int] | tuple[str, int, int, int]) -> Address:
    """(host, port) without IPv6 flow and scope; IPv4 as such where a dual-stack socket wraps it."""
    host = sockaddr[0].partition("%")[0]
    if host.startswith("::ffff:"):
        mapped = ipaddress.IPv6Address(host).ipv4_mapped
        host = str(mapped) if mapped else host
    return host, sockaddr[1]


@dataclass(frozen=True, slots=True)
class UdpRoute:
    """One of the plane's sockets and the address it sends to. Equal if both are."""

    socket: socket.socket
    sockaddr: tuple[str, int]

    protocol = "udp"
    room_bytes = math.inf

    @property
    def address(self) -> Address:
        """The viewer's end."""
        return plain_address(self.sockaddr)

    def send(self, datagrams: Sequence[bytes]) -> int:
        """Send what the kernel takes now; returns how many of them it took.

        A full socket ends the run: what follows would only arrive with holes before it.
        """
        for sent, datagram in enumerate(datagrams):
            try:
                self.socket.sendto(datagram, self.sockaddr)
            except OSError:
                # EAGAIN, or the network's word on this address (unreachable, not permitted): to the viewer
                # both are loss, and consent ends it if it lasts.
                return sent
        return len(datagrams)


class TcpRoute:
    """A connection with its framing and its bounded output buffer."""

    protocol = "tcp"

    def __init__(self, connection: socket.socket, sockaddr: tuple[str, int], now: float) -> None:
        self.socket = connection
        self.address = plain_address(sockaddr)
        self.opened_at = now
        self.is_open = True
        self.is_proved = False
        self._framer = Framer()
        self._buffer = bytearray()

    @property
    def network(self) -> str:
        """Whose connection it may be: the IPv4 address, or the first half of an IPv6 one."""
        address = ipaddress.ip_address(self.address[0])
        return str(address) if address.version == 4 else address.exploded[:19]

    @property
    def room_bytes(self) -> int:
        """What may still wait for it before it takes no new access unit."""
        return max(0, MAX_BACKLOG_BYTES - len(self._buffer))

    @property
    def wants_to_write(self) -> bool:
        """Something waits for the socket to become writable."""
        return bool(self._buffer) and self.is_open

    def send(self, datagrams: Sequence[bytes]) -> int:
        """Buffer datagrams and write what the kernel takes; returns how many were taken: all, or none."""
        if not self.is_open:
            return 0
        for datagram in datagrams:
            self._buffer += frame(datagram)
        if len(self._buffer) > (_MAX_BUFFER_BYTES if self.is_proved else _MAX_STRANGER_BYTES):
            self.is_open = False
            return 0
        self.flush()
        return len(datagrams)

    def flush(self) -> None:
        """Write what the kernel takes."""
        while self._buffer and self.is_open:
            try:
                # memoryview: a slice of the bytearray would copy the whole backlog every time.
                with memoryview(self._buffer) as view:
                    count = self.socket.send(view[:_RECEIVE_BYTES])
            except BlockingIOError:
                return
            except OSError:
                self.is_open = False
                return
            del self._buffer[:count]

    def receive(self) -> list[bytes]:
        """Whole datagrams that arrived; clears `is_open` when the other side is gone.

        Raises:
            WireError: the framing is broken; nothing later can be understood.
        """
        try:
            data = self.socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            self.is_open = False
            return []
        if not data:
            self.is_open = False
            return []
        return self._framer.feed(data)

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self.is_open = False
        self._buffer.clear()
        self.socket.close()


Route = UdpRoute | TcpRoute
