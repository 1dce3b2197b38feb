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
_FIRST_BYTE, _SECOND_BYTE = 8, 9

# BPF_LD|BPF_B|BPF_ABS, BPF_JMP|BPF_JGT|BPF_K, BPF_JMP|BPF_JGE|BPF_K, BPF_RET|BPF_K
_LOAD_BYTE, _IF_ABOVE, _IF_AT_LEAST, _RETURN = 0x30, 0x25, 0x35, 0x06

_PASS, _DROP = 9, 10
#: Instruction, operand, where to go on if it holds, where if not. RFC 7983 for the first byte, RFC 5761
#: section 4 for the second. A datagram too short for a load is dropped by the kernel.
_PROGRAMME = (
    (_LOAD_BYTE, _FIRST_BYTE, 1, 1),
    (_IF_ABOVE, 3, 2, _PASS),  # STUN
    (_IF_AT_LEAST, 20, 3, _DROP),
    (_IF_ABOVE, 63, 4, _PASS),  # DTLS
    (_IF_AT_LEAST, 128, 5, _DROP),
    (_IF_ABOVE, 191, _DROP, 6),
    (_LOAD_BYTE, _SECOND_BYTE, 7, 7),
    (_IF_AT_LEAST, 192, 8, _DROP),
    (_IF_ABOVE, 223, _DROP, _PASS),  # RTCP
    (_RETURN, 0xFFFFFFFF, 0, 0),
    (_RETURN, 0, 0, 0),
)


class _SockFprog(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _instruction(at: int, what: int, operand: int, yes: int, no: int) -> bytes:
    # A jump counts from the next instruction; whatever does not jump has zeros there.
    if what not in (_IF_ABOVE, _IF_AT_LEAST):
        return struct.pack("=HBBI", what, 0, 0, operand)
    return struct.pack("=HBBI", what, yes - at - 1, no - at - 1, operand)


_FILTER = _SockFprog(len(_PROGRAMME), b"".join(_instruction(at, *line) for at, line in enumerate(_PROGRAMME)))


def drop_media(sock: socket.socket) -> None:
    """From now on this UDP socket receives STUN, DTLS and RTCP only."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(_FILTER))


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
