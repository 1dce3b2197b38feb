"""Opening the WebRTC port: UDP and TCP under one number."""

from __future__ import annotations

import errno
import ipaddress
import socket

from transport.errors import LinkError

#: A keyframe for every viewer at once; the kernel doubles it and cuts it to net.core.wmem_max / rmem_max.
_BUFFER_BYTES = 4 * 1024 * 1024
_BACKLOG = 256
#: Port 0: UDP gets a number from the kernel, TCP may find it taken; then both try another.
_EPHEMERAL_ATTEMPTS = 16


def bind_sockets(host: str, port: int) -> tuple[list[socket.socket], list[socket.socket]]:
    """Bind UDP and listen on TCP on the same port.

    Args:
        host: an IP address. "" means all addresses of both families: one dual-stack IPv6 socket, or IPv4
            alone where there is no IPv6. "::" means IPv6 alone, "0.0.0.0" IPv4 alone.
        port: 0 for any that is free for both.

    Returns:
        UDP sockets, TCP sockets; non-blocking, one of each.

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
        return [udp], [tcp]
    raise AssertionError("unreachable")


def _open(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    families = [_family(host)] if host else [socket.AF_INET6, socket.AF_INET]
    for family in families[:-1]:
        try:
            return _bind(family, "::" if not host else host, port, kind, dual_stack=not host)
        except OSError as error:
            if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                raise _explain(host, port, kind, error) from error
    try:
        return _bind(families[-1], host or "0.0.0.0", port, kind, dual_stack=False)
    except OSError as error:
        raise _explain(host, port, kind, error) from error


def _bind(
    family: socket.AddressFamily, host: str, port: int, kind: socket.SocketKind, *, dual_stack: bool
) -> socket.socket:
    sock = socket.socket(family, kind)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual_stack)
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


def _explain(host: str, port: int, kind: socket.SocketKind, error: OSError) -> LinkError:
    protocol = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
    where = f"{protocol} port {port} on {host or 'all addresses'}"
    if error.errno == errno.EADDRINUSE:
        return LinkError("unreachable", f"{where} is in use by another program")
    if error.errno == errno.EADDRNOTAVAIL:
        return LinkError("unreachable", f"{where}: this machine does not have that address")
    if error.errno in (errno.EACCES, errno.EPERM):
        return LinkError("unauthorized", f"{where}: not permitted (ports below 1024 need a privilege)")
    return LinkError("unreachable", f"{where}: {error.strerror}")
