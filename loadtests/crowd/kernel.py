"""What the kernel does for a viewer: it drops media before anybody is woken, and counts what it dropped.

Or it hands over what was sent in one GSO run together (UDP_GRO), where all of it is wanted.
"""

from __future__ import annotations

import socket
import struct
import sys
from contextlib import suppress

from loadtests.crowd import filters

_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_SO_ATTACH_BPF = 50
_SO_MEMINFO = 55
_MEMINFO_WORDS = 9
_MEMINFO_DROPS = 8
_SOL_UDP, _UDP_GRO = 17, 104
_CONTROL_BYTES = socket.CMSG_SPACE(4)


def drop_media(sock: socket.socket, *, has_keys: bool = False) -> None:
    """From now on this UDP socket receives STUN, DTLS and RTCP only.

    Args:
        sock: IPv4 or IPv6.
        has_keys: the handshake is over, so what is large is media, and no byte of it is looked at.
    """
    lines = filters.BY_SIZE if has_keys else filters.BY_KIND
    one_for_all = filters.shared(lines)
    if one_for_all is None:
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filters.classic(lines))
    else:
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_BPF, one_for_all)


def dropped(sock: socket.socket) -> int:
    """Datagrams the kernel dropped at this socket since it was made: by the filter, or for want of room."""
    words = struct.unpack(
        f"={_MEMINFO_WORDS}I", sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * _MEMINFO_WORDS)
    )
    return int(words[_MEMINFO_DROPS])


def receive_runs(sock: socket.socket) -> None:
    """From now on `take_run` gets several datagrams at a time, where the kernel has UDP_GRO."""
    with suppress(OSError):
        sock.setsockopt(_SOL_UDP, _UDP_GRO, 1)


def take_run(sock: socket.socket, room: memoryview) -> tuple[int, int]:
    """Receive one datagram, or a run of them.

    Args:
        sock: it does not block.
        room: 64 KiB to receive into.

    Returns:
        The bytes of all of them together, and of each but the last, which may be shorter.

    Raises:
        OSError: as `socket.recvmsg_into`.
    """
    size, control, _, _ = sock.recvmsg_into((room,), _CONTROL_BYTES)
    for _, kind, data in control:
        if kind == _UDP_GRO:
            return size, int.from_bytes(data[:2], sys.byteorder)
    return size, size


def widen(sock: socket.socket, size_bytes: int) -> None:
    """Make the receive buffer that large; beyond the system's limit only as root."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size_bytes)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size_bytes)
