"""What the kernel does for a viewer: it drops media before anybody is woken, and counts what it dropped.

Or it hands over what was sent in one GSO run together (UDP_GRO), where all of it is wanted.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from contextlib import suppress

_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO_WORDS = 9
_MEMINFO_DROPS = 8
_SOL_UDP, _UDP_GRO = 17, 104
_CONTROL_BYTES = socket.CMSG_SPACE(4)

# A UDP socket's filter sees the datagram from its UDP header on.
_FIRST_BYTES = 8

# BPF_LD|BPF_W|BPF_LEN, BPF_LD|BPF_H|BPF_ABS, BPF_ALU|BPF_AND|BPF_K, BPF_JMP|BPF_JGE|BPF_K, BPF_RET|BPF_K
_LOAD_SIZE, _LOAD_TWO, _AND, _IF_AT_LEAST, _RETURN = 0x80, 0x28, 0x54, 0x35, 0x06

_PASS, _DROP = 9, 10
#: Instruction, operand, where to go on if it holds, where if not. RFC 7983 for the first byte, RFC 5761
#: section 4 for the second. Both are loaded at once: a load costs more than all the rest. A datagram too
#: short for it is dropped by the kernel.
_BY_KIND = (
    (_LOAD_TWO, _FIRST_BYTES, 1, 1),
    (_IF_AT_LEAST, 192 << 8, _DROP, 2),
    (_IF_AT_LEAST, 128 << 8, 3, 6),
    (_AND, 0xFF, 4, 4),
    (_IF_AT_LEAST, 224, _DROP, 5),
    (_IF_AT_LEAST, 192, _PASS, _DROP),  # RTCP
    (_IF_AT_LEAST, 64 << 8, _DROP, 7),
    (_IF_AT_LEAST, 20 << 8, _PASS, 8),  # DTLS
    (_IF_AT_LEAST, 4 << 8, _DROP, _PASS),  # STUN
    (_RETURN, 0xFFFFFFFF, 0, 0),
    (_RETURN, 0, 0, 0),
)
#: Above any check or report. Before the handshake is over, DTLS flights are as large as media.
_LARGE_BYTES = 800
_BY_SIZE = ((_LOAD_SIZE, 0, 1, 1), (_IF_AT_LEAST, _FIRST_BYTES + _LARGE_BYTES, 2 + _DROP, 2))


class _SockFprog(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _instruction(at: int, what: int, operand: int, yes: int, no: int) -> bytes:
    # A jump counts from the next instruction; whatever does not jump has zeros there.
    if what != _IF_AT_LEAST:
        return struct.pack("=HBBI", what, 0, 0, operand)
    return struct.pack("=HBBI", what, yes - at - 1, no - at - 1, operand)


def _filter(*programme: tuple[int, int, int, int]) -> _SockFprog:
    return _SockFprog(len(programme), b"".join(_instruction(at, *line) for at, line in enumerate(programme)))


_FILTER = _filter(*_BY_KIND)
_QUICK_FILTER = _filter(*_BY_SIZE, *((what, operand, 2 + yes, 2 + no) for what, operand, yes, no in _BY_KIND))


def drop_media(sock: socket.socket, *, has_keys: bool = False) -> None:
    """From now on this UDP socket receives STUN, DTLS and RTCP only.

    Args:
        sock: IPv4 or IPv6.
        has_keys: the handshake is over, so what is large is media, and no byte of it is looked at.
    """
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(_QUICK_FILTER if has_keys else _FILTER))


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
