"""Socket addresses between Python's tuples and C's `sockaddr`."""

from __future__ import annotations

import ctypes
import errno
import ipaddress
import socket
import struct

from transport.errors import LinkError

Address = tuple[str, int]

# struct sockaddr_in and sockaddr_in6; the family and the scope are in the machine's byte order.
_FAMILY = struct.Struct("=H")
_PORT = struct.Struct("!H")
_SCOPE = struct.Struct("=I")
_V4_BYTES, _V6_BYTES = 16, 28


def pack_sockaddr(address: tuple[str, int, int]) -> bytes:
    """Write a numeric host, a port and an IPv6 scope (0 for none) as `sockaddr_in` or `sockaddr_in6`."""
    host, port, scope = address
    number = ipaddress.ip_address(host.partition("%")[0])
    if number.version == 4:
        return _FAMILY.pack(socket.AF_INET) + _PORT.pack(port) + number.packed + bytes(8)
    flow = bytes(4)
    return _FAMILY.pack(socket.AF_INET6) + _PORT.pack(port) + flow + number.packed + _SCOPE.pack(scope)


def unpack_sockaddr(raw: bytes) -> Address:
    """Read host and port; an IPv4 address inside IPv6 comes out as IPv4."""
    port: int = _PORT.unpack_from(raw, 2)[0]
    if _FAMILY.unpack_from(raw)[0] == socket.AF_INET:
        return str(ipaddress.IPv4Address(raw[4:8])), port
    number = ipaddress.IPv6Address(raw[8:24])
    return str(number.ipv4_mapped or number), port


def unpack_sockaddr_at(pointer: int) -> Address:
    """The same from C memory, which is read no further than its family says."""
    family = _FAMILY.unpack(ctypes.string_at(pointer, 2))[0]
    return unpack_sockaddr(ctypes.string_at(pointer, _V4_BYTES if family == socket.AF_INET else _V6_BYTES))


def resolve(host: str, port: int, *, passive: bool = False) -> list[tuple[str, int, int]]:
    """Numeric addresses of a name, at most one per family, IPv4 first: most SRT equipment knows no other.

    Args:
        host: a name, an address, or "" for every local address (`passive`).
        port: of the result.
        passive: for binding.

    Raises:
        LinkError: `unreachable`, the name has no address.
    """
    flags = socket.AI_PASSIVE if passive else 0
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_DGRAM, flags=flags)
    except (OSError, UnicodeError) as error:
        raise LinkError("unreachable", f"{host!r} has no address: {error}") from error
    first: dict[int, tuple[str, int, int]] = {}
    for family, _, _, _, address in found:
        if family in (socket.AF_INET, socket.AF_INET6):
            first.setdefault(family, (str(address[0]), port, int(address[3]) if len(address) == 4 else 0))
    return [first[family] for family in sorted(first)]


def why_not_bound(number: tuple[str, int, int]) -> str:
    """What the kernel has against a local address, which libsrt does not pass on; "" when it has nothing.

    Args:
        number: as of `resolve`.
    """
    host, port, scope = number
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((host, port, 0, scope) if ":" in host else (host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return "it is in use by another program"
        return (error.strerror or str(error)).lower()
    return ""
