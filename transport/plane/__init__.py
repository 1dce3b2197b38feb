"""The media plane: the WebRTC port, packets, encryption, repair.

`interface.py` is what callers see, `sockets.py` opens the port, `open_plane` starts the best implementation
that works on this machine. Read `reference.py` next; `native.pyx` is the same
in native code.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable

from transport.plane.interface import Plane, PlaneOptions
from transport.plane.reference import ReferencePlane
from transport.plane.sockets import bind_sockets

try:
    from transport.plane.native import NativePlane
except ImportError as error:  # it was not compiled on this machine
    _MISSING = str(error)
    _HAS_NATIVE = False
else:
    _MISSING = ""
    _HAS_NATIVE = True

__all__ = ["Plane", "PlaneOptions", "bind_sockets", "open_plane"]

_log = logging.getLogger(__name__)


def open_plane(
    udp: list[socket.socket],
    tcp: list[socket.socket],
    options: PlaneOptions,
    *,
    clock: Callable[[], float] = time.monotonic,
    wall_clock: Callable[[], float] = time.time,
) -> Plane:
    """Start a plane on these sockets, which it owns from now on.

    Args:
        udp: bound, as `bind_sockets` returns them.
        tcp: listening.
        options: limits and times.
        clock: monotonic seconds.
        wall_clock: seconds since 1970.
    """
    reason = _MISSING
    if _HAS_NATIVE:
        try:
            return NativePlane(udp, tcp, options, clock, wall_clock, ipsec_mb=options.ipsec_mb)
        except OSError as error:
            reason = str(error)
    _log.warning("the native media plane does not work here (%s); the slow one in Python runs", reason)
    return ReferencePlane(udp, tcp, options, clock, wall_clock)
