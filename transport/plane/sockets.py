"""Opening the WebRTC port: UDP and TCP under one number.

What is sent from a UDP socket of all addresses leaves with the one that the way to the viewer prefers. On a
machine with several that may not be the one the viewer asked, and its browser, or a firewall between, then
knows nothing of the answer. So there each address has a socket of its own beside that of all; the kernel
gives a datagram to the one that fits best, and the plane answers from where it was asked. Nothing is paid
for it per packet.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Sequence

from transport.errors import LinkError

#: A keyframe for every viewer at once; the kernel doubles it and cuts it to net.core.wmem_max / rmem_max.
_BUFFER_BYTES = 4 * 1024 * 1024
_BACKLOG = 256
#: Port 0: UDP gets a number from the kernel, TCP may find it taken; then both try another.
_EPHEMERAL_ATTEMPTS = 16
#: The plane takes 16 sockets.
_MAX_OWN = 15


def bind_sockets(
    host: str, port: int, own: Sequence[str] = ()
) -> tuple[list[socket.socket], list[socket.socket]]:
    """Bind UDP and listen on TCP on the same port.

    Args:
        host: an IP address. "" means all addresses of both families: one dual-stack IPv6 socket, or IPv4
            alone where there is no IPv6. "::" means IPv6 alone, "0.0.0.0" IPv4 alone.
        port: 0 for any that is free for both.
        own: addresses of this machine that viewers may ask, for where `host` means all.

    Returns:
        UDP sockets, TCP sockets; non-blocking, one of each, and UDP ones of `own` addresses after the first.

    Raises:
        LinkError: the text says what could not be bound and why.
    """
    attempts = _EPHEMERAL_ATTEMPTS if port == 0 else 1
    for attempt in range(attempts):
        udp = _open(host, port, socket.SOCK_DGRAM)
        try:
            tcp = _open(host, udp.getsockname()[1], socket.SOCK_STREAM)
        except LinkError:
            udp.close()
            if attempt == attempts - 1:
                raise
            continue
        return [udp, *_own_sockets(udp, own)], [tcp]
    raise AssertionError("unreachable")


def _own_sockets(every: socket.socket, own: Sequence[str]) -> list[socket.socket]:
    """Sockets of single addresses, beside one of all; none where there is only one, or one was asked for."""
    host, port = every.getsockname()[:2]
    fitting = [ip for ip in own if _family(ip) == every.family][:_MAX_OWN]
    if not ipaddress.ip_address(host).is_unspecified or len(fitting) < 2:
        return []
    made: list[socket.socket] = []
    # For this moment only: otherwise another program could have the port as well, and nobody be told.
    every.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        for ip in fitting:
            try:
                made.append(_bind(every.family, ip, port, socket.SOCK_DGRAM, dual_stack=False, beside=True))
            except OSError:
                continue  # an address that is gone already; the socket of all has what there is left
    finally:
        for each in (every, *made):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    return made


def _open(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    families = [_family(host)] if host else [socket.AF_INET6, socket.AF_INET]
    for family in families[:-1]:
        try:
            return _bind(family, "::" if not host else host, port, kind, dual_stack=not host)
        except OSError as error:
            if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                raise explain(host, port, kind, error) from error
    try:
        return _bind(families[-1], host or "0.0.0.0", port, kind, dual_stack=False)
    except OSError as error:
        raise explain(host, port, kind, error) from error


def _bind(
    family: int, host: str, port: int, kind: socket.SocketKind, *, dual_stack: bool, beside: bool = False
) -> socket.socket:
    sock = socket.socket(family, kind)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual_stack)
        if beside:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind == socket.SOCK_DGRAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        else:
            # Connections of a server that was stopped a moment ago must not keep the next one from starting.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _family(host: str) -> socket.AddressFamily:
    try:
        version = ipaddress.ip_address(host.partition("%")[0]).version
    except ValueError:
        raise LinkError("unreachable", f"{host!r} is not an IP address") from None
    return socket.AF_INET6 if version == 6 else socket.AF_INET


def explain(host: str, port: int, kind: socket.SocketKind, error: OSError) -> LinkError:
    """Why an address cannot be listened on, in words."""
    protocol = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
    where = f"{protocol} port {port} on {host or 'all addresses'}"
    if error.errno == errno.EADDRINUSE:
        return LinkError("unreachable", f"{where} is in use by another program")
    if error.errno == errno.EADDRNOTAVAIL:
        return LinkError("unreachable", f"{where}: this machine does not have that address")
    if error.errno in (errno.EACCES, errno.EPERM):
        return LinkError("unauthorized", f"{where}: not permitted (ports below 1024 need a privilege)")
    return LinkError("unreachable", f"{where}: {error.strerror}")
