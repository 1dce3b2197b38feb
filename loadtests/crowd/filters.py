"""What tells media from STUN, DTLS and RTCP inside the kernel: a few lines, assembled for BPF of either kind.

The classic kind (`SO_ATTACH_FILTER`) needs no privilege and is compiled for each socket anew. On loopback a
filter runs in the thread that sends, and a thousand copies are a thousand times cold: 0.03 to 0.04 µs for a
packet of a server that has 1.1. The extended kind (bpf(2), root) is loaded once for all sockets.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import platform
import struct
from typing import Final

# A UDP socket's filter sees the datagram from its UDP header on.
_FIRST_BYTES = 8
#: Above any check or report. Before the handshake is over, DTLS flights are as large as media.
_LARGE_BYTES = 800

# What a line does, by its code in classic BPF: BPF_LD|BPF_W|BPF_LEN, BPF_LD|BPF_H|BPF_ABS,
# BPF_ALU|BPF_AND|BPF_K, BPF_JMP|BPF_JGE|BPF_K, BPF_RET|BPF_K
_LOAD_SIZE, _LOAD_TWO, _AND, _IF_AT_LEAST, _RETURN = 0x80, 0x28, 0x54, 0x35, 0x06
_ALL = 0xFFFFFFFF

#: Instruction, operand, where to go on if it holds, where if not.
Line = tuple[int, int, int, int]

_PASS, _DROP = 9, 10
#: RFC 7983 for the first byte, RFC 5761 section 4 for the second. Both are loaded at once: a load costs more
#: than all the rest. A datagram too short for it is dropped by the kernel.
BY_KIND: Final[tuple[Line, ...]] = (
    (_LOAD_TWO, _FIRST_BYTES, 1, 1),
    (_IF_AT_LEAST, 192 << 8, _DROP, 2),
    (_IF_AT_LEAST, 128 << 8, 3, 6),
    (_AND, 0xFF, 4, 4),
    (_IF_AT_LEAST, 224, _DROP, 5),
    (_IF_AT_LEAST, 192, _PASS, _DROP),  # RTCP
    (_IF_AT_LEAST, 64 << 8, _DROP, 7),
    (_IF_AT_LEAST, 20 << 8, _PASS, 8),  # DTLS
    (_IF_AT_LEAST, 4 << 8, _DROP, _PASS),  # STUN
    (_RETURN, _ALL, 0, 0),
    (_RETURN, 0, 0, 0),
)
#: The same once the handshake is over: what is large is media, and no byte of it is looked at.
BY_SIZE: Final[tuple[Line, ...]] = (
    (_LOAD_SIZE, 0, 1, 1),
    (_IF_AT_LEAST, _FIRST_BYTES + _LARGE_BYTES, 2 + _DROP, 2),
    *((what, operand, 2 + yes, 2 + no) for what, operand, yes, no in BY_KIND),
)

# From linux/bpf.h.
_PROG_LOAD, _SOCKET_FILTER = 5, 1
_BPF_CALL = {"x86_64": 321, "aarch64": 280}
_ATTR_BYTES = 128
_R0, _R1, _R6 = 0, 1, 6
_MOV_X, _MOV_K, _LOAD_WORD, _LOAD_ABS_TWO = 0xBF, 0xB7, 0x61, 0x28
_AND_K, _JUMP, _JUMP_AT_LEAST, _EXIT = 0x57, 0x05, 0x35, 0x95


class _SockFprog(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


class _Attr(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_uint32),
        ("length", ctypes.c_uint32),
        ("instructions", ctypes.c_void_p),
        ("license", ctypes.c_void_p),
        ("rest", ctypes.c_uint8 * (_ATTR_BYTES - 24)),
    )


@functools.cache
def classic(lines: tuple[Line, ...]) -> bytes:
    """The value of `SO_ATTACH_FILTER`; what it points to stays."""
    # A jump counts from the next instruction; whatever does not jump has zeros there.
    code = b"".join(
        struct.pack("=HBBI", what, yes - at - 1, no - at - 1, operand)
        if what == _IF_AT_LEAST
        else struct.pack("=HBBI", what, 0, 0, operand)
        for at, (what, operand, yes, no) in enumerate(lines)
    )
    return bytes(_SockFprog(len(lines), _keep(code)))


@functools.cache
def shared(lines: tuple[Line, ...]) -> int | None:
    """A descriptor for `SO_ATTACH_BPF`, open for good; None where the kernel lets this process load nothing.

    Raises:
        OSError: it refused for another reason.
    """
    number = _BPF_CALL.get(platform.machine())
    if number is None:
        return None
    code = _extended(lines)
    attr = _Attr(_SOCKET_FILTER, len(code) // 8, _address(code), _address(b"GPL\0"))
    found = int(
        ctypes.CDLL(None, use_errno=True).syscall(number, _PROG_LOAD, ctypes.byref(attr), _ATTR_BYTES)
    )
    if found >= 0:
        return found
    error = ctypes.get_errno()
    if error in (errno.EPERM, errno.ENOSYS):
        return None
    raise OSError(error, f"bpf(BPF_PROG_LOAD): {os.strerror(error)}")


def _extended(lines: tuple[Line, ...]) -> bytes:
    """A jump of this kind has one aim, so a second one follows it; the kernel wants the packet in R6."""
    sizes = {_IF_AT_LEAST: 2, _RETURN: 2}
    starts = [1]
    for what, *_ in lines:
        starts.append(starts[-1] + sizes.get(what, 1))
    code = [_instruction(_MOV_X, _R6, _R1)]
    for at, (what, operand, yes, no) in zip(starts, lines, strict=False):
        if what == _IF_AT_LEAST:
            code.append(_instruction(_JUMP_AT_LEAST, _R0, offset=starts[yes] - at - 1, operand=operand))
            code.append(_instruction(_JUMP, offset=starts[no] - at - 2))
        elif what == _RETURN:
            code.append(_instruction(_MOV_K, _R0, operand=-1 if operand == _ALL else operand))
            code.append(_instruction(_EXIT))
        elif what == _LOAD_SIZE:
            code.append(_instruction(_LOAD_WORD, _R0, _R1))  # the first word of what it is given
        elif what == _AND:
            code.append(_instruction(_AND_K, _R0, operand=operand))
        else:
            code.append(_instruction(_LOAD_ABS_TWO, operand=operand))
    return b"".join(code)


def _instruction(code: int, to: int = 0, of: int = 0, *, offset: int = 0, operand: int = 0) -> bytes:
    return struct.pack("=BBhi", code, of << 4 | to, offset, operand)


_kept: list[bytes] = []


def _keep(data: bytes) -> bytes:
    _kept.append(data)
    return data


def _address(data: bytes) -> int | None:
    return ctypes.cast(ctypes.c_char_p(_keep(data)), ctypes.c_void_p).value
