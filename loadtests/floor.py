"""What the kernel alone asks for a packet on this machine, so that other figures can be held against it.

    python -m loadtests floor [--viewers 1000] [--packets 10] [--seconds 3]

One thread hands UDP GSO runs of ready-made packets to `sendmmsg`, many viewers' runs in one call, to sockets
that drop them as the crowd's do. Nothing is encrypted, packetised, timed or counted: no server can be cheaper
with these system calls. Machines differ by a factor of three in this figure, and in all the others with it.

The second figure is of sockets that take runs as they are. What is between the two is the cutting of runs for
viewers, which loopback leaves to the sending thread and a network to the card or to the far end. The third is
of runs that are sent as a server sends them: one to each viewer thirty times a second and nothing in between,
after which neither the processor nor its caches are what they were.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import socket
import struct
import sys
import time
from collections.abc import Sequence

from loadtests.crowd import kernel

_PACKET_BYTES = 1228
_BATCH = 32
_SOL_UDP, _UDP_SEGMENT = 17, 103
#: Pictures a second, of all load tests.
FPS = 30


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Msghdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_bytes", ctypes.c_uint32),
        ("iov", ctypes.c_void_p),
        ("iov_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_bytes", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Mmsghdr(ctypes.Structure):
    _fields_ = (("header", _Msghdr), ("sent", ctypes.c_uint32))


def send_us(
    viewers: int, packets: int, seconds: float, *, takes_runs: bool = False, per_s: float = 0.0
) -> float:
    """Processor time per packet, microseconds.

    Args:
        viewers: sockets that are sent to, in turn.
        packets: in one run, at most 50.
        seconds: how long to measure.
        takes_runs: the sockets take a run as it is (UDP_GRO), no packets are cut from it.
        per_s: runs to each viewer, 0 for as many as go.

    Raises:
        OSError: the kernel has no UDP GSO.
    """
    receivers = [_receiver(takes_runs=takes_runs) for _ in range(viewers)]
    addresses = [_address(each.getsockname()) for each in receivers]
    run = ctypes.create_string_buffer(b"\x80" * (packets * _PACKET_BYTES))
    control = ctypes.create_string_buffer(struct.pack("=Qiih6x", 18, _SOL_UDP, _UDP_SEGMENT, _PACKET_BYTES))
    piece = _Iovec(ctypes.addressof(run), packets * _PACKET_BYTES)
    messages = (_Mmsghdr * viewers)()
    for message, address in zip(messages, addresses, strict=True):
        message.header = _Msghdr(
            ctypes.addressof(address), 16, ctypes.addressof(piece), 1, ctypes.addressof(control), 24, 0
        )
    sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg
    size, count = ctypes.sizeof(_Mmsghdr), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        kernel_before, began = time.process_time(), time.monotonic()
        rounds = 0
        while (now := time.monotonic()) < began + seconds:
            if per_s and (early := began + rounds / per_s - now) > 0:
                time.sleep(early)
            rounds += 1
            for at in range(0, viewers, _BATCH):
                wanted = min(_BATCH, viewers - at)
                sent = sendmmsg(sender.fileno(), ctypes.byref(messages, at * size), wanted, 0)
                if sent < 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
                count += sent * packets
        used_s = time.process_time() - kernel_before
    for each in receivers:
        each.close()
    return used_s * 1e6 / count


def _receiver(*, takes_runs: bool) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    kernel.drop_media(sock, has_keys=True)
    if takes_runs:
        kernel.receive_runs(sock)
    sock.bind(("127.0.0.1", 0))
    return sock


def _address(name: tuple[str, int]) -> ctypes.Array[ctypes.c_char]:
    packed = struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", name[1], socket.inet_aton(name[0]))
    return ctypes.create_string_buffer(packed, len(packed))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="loadtests floor", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--packets", type=int, default=10, help="in one run")
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args(arguments)
    if given.viewers < 1 or not 1 <= given.packets <= 50 or given.seconds <= 0:
        parser.error("expected viewers, 1 to 50 packets a run, and seconds")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    cut, whole = (
        send_us(given.viewers, given.packets, given.seconds, takes_runs=each) for each in (False, True)
    )
    paced = send_us(given.viewers, given.packets, given.seconds, per_s=FPS)
    sys.stdout.write(
        f"{cut:.2f} µs of processor time per packet, {given.packets} packets a run; "
        f"{whole:.2f} where runs are taken as they are; {paced:.2f} with {FPS} runs a second to each\n"
    )
    return 0
