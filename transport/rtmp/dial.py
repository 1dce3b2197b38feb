"""Connecting a TCP socket, and what TLS says about the other side; the words for what can go wrong there."""

from __future__ import annotations

import asyncio
import fcntl
import functools
import os
import socket
import ssl
import struct
import sys
import termios
from typing import Any

from transport.errors import LinkError

# Of struct tcp_info (linux/tcp.h): tcpi_rtt, in microseconds.
_RTT = struct.Struct("@68xI")
# Answers to "is anybody there": after 5 s of silence, then every 2 s, and 4 of them unanswered end it.
_KEEPALIVE = (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 4))

# The kernel asks again after 1 s, then 2, 4, 8: on a network that has just come back, asking anew is sooner.
_ATTEMPT_S = 2.0

# OpenSSL's X509_V_ERR numbers (x509_vfy.h).
_CERTIFICATE_WORDS = {
    9: "is not valid yet",
    10: "has expired",
    18: "is self-signed and not among those that are trusted here",
    19: "comes from an authority that is not trusted here",
    20: "comes from an authority that is not trusted here",
    21: "comes without the certificates of its authority",
    23: "has been revoked",
    62: "is for another host",
    64: "is for another address",
}


async def connect_tcp(host: str, port: int, timeout_s: float) -> socket.socket:
    """Connect to the first address of a host that answers; the caller owns the socket.

    Args:
        host: name or address.
        port: of the server.
        timeout_s: for all of it; the addresses are tried in turn, again and again.

    Raises:
        LinkError: `unreachable`, `refused`, `timeout`.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    try:
        async with asyncio.timeout(timeout_s):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise LinkError("unreachable", f"no answer about the name {host!r}") from None
    except (OSError, UnicodeError):
        raise LinkError("unreachable", f"the name {host!r} has no address") from None
    failure = LinkError("unreachable", f"the name {host!r} has no address")
    while found:
        for family, kind, protocol, _, address in found:
            part_s = min(_ATTEMPT_S, end - loop.time())
            try:
                return await _connect(socket.socket(family, kind, protocol), address, part_s)
            except ConnectionRefusedError:
                failure = LinkError("refused", f"nothing listens at {host} port {port}")
            except TimeoutError:
                failure = LinkError("timeout", f"no answer from {host} port {port}")
            except OSError as error:
                failure = LinkError("unreachable", f"no way to {host} port {port}: {error.strerror}")
            if loop.time() >= end:
                raise failure
        if failure.reason != "timeout":
            break
    raise failure


async def tls_context(ca_file: str) -> ssl.SSLContext:
    """TLS 1.2 or later, certificate and host are checked.

    Args:
        ca_file: PEM; "" for the system's.

    Raises:
        LinkError: `certificate`, the file cannot be used.
    """
    try:
        changed_ns = os.stat(ca_file).st_mtime_ns if ca_file else 0
        # Reading the system's certificates takes tens of milliseconds.
        return await asyncio.to_thread(_make_context, ca_file, changed_ns)
    except (OSError, ssl.SSLError) as error:
        what = error.strerror or "no certificate in it"
        raise LinkError("certificate", f"the certificates in {ca_file} cannot be used: {what}") from None


def tls_failure(error: Exception, host: str) -> LinkError:
    """What a TLS handshake's end means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        words = _CERTIFICATE_WORDS.get(error.verify_code, f"cannot be trusted: {error.verify_message}")
        return LinkError("certificate", f"the certificate of {host} {words}")
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "no reason given").replace("_", " ").lower()
        return LinkError("unsupported", f"no TLS connection with {host}: {reason}")
    return LinkError("ended", f"{host} hung up during the TLS handshake")


def unacknowledged(sock: socket.socket) -> int | None:
    """Bytes that the kernel has and the peer has not confirmed; None where it does not tell."""
    # A transport closes its socket some time before it says so.
    if (descriptor := sock.fileno()) < 0:
        return None
    try:
        return int.from_bytes(fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, AttributeError):
        return None


def round_trip_ms(sock: socket.socket) -> float | None:
    """The kernel's smoothed round trip; None where it does not tell."""
    try:
        (rtt_us,) = _RTT.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RTT.size))
    except (OSError, AttributeError, struct.error):
        return None
    return float(rtt_us) / 1000


@functools.lru_cache(maxsize=16)
def _make_context(ca_file: str, changed_ns: int) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def _connect(sock: socket.socket, address: Any, timeout_s: float) -> socket.socket:
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if option := getattr(socket, name, None):
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
