"""Messages for many SRT connections at once.

A picture of 2.5 Mb/s is some seven messages, and each of fifty readers is handed all of them. A call from
Python for every one costs more than libsrt's own part, and gives Python's lock back and waits for it so many
times. `outbox_native.pyx` does it in one call; where that was not compiled, `PlainOutbox` does the same.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Protocol

from transport.srt.abi import Errno
from transport.srt.libsrt import Libsrt, SrtError

try:
    from transport.srt.outbox_native import NativeOutbox
except ImportError:  # it was not compiled on this machine
    _HAS_NATIVE = False
else:
    _HAS_NATIVE = True


class Outbox(Protocol):
    """Sends on sockets of one library whose SNDSYN is off. Thread-safe."""

    def send(self, sockets: Sequence[int], messages: Sequence[bytes]) -> list[int | None]:
        """Queue the messages on each socket, as far as there is room for them. Does not wait.

        Args:
            sockets: of libsrt.
            messages: in order, each 1 to `payload_bytes` bytes.

        Returns:
            For each socket how many found room, from the first one on; None where the connection is over.
        """


@functools.cache
def open_outbox(library: Libsrt) -> Outbox:
    """The best outbox that works on this machine."""
    if not _HAS_NATIVE:
        return PlainOutbox(library)
    functions = library.address("srt_sendmsg"), library.address("srt_getlasterror")
    return NativeOutbox(functions, int(Errno.NO_ROOM))


class PlainOutbox(Outbox):
    """In Python."""

    def __init__(self, library: Libsrt) -> None:
        self._library = library

    def send(self, sockets: Sequence[int], messages: Sequence[bytes]) -> list[int | None]:
        """As in `Outbox`."""
        return [self._send_all(socket, messages) for socket in sockets]

    def _send_all(self, socket: int, messages: Sequence[bytes]) -> int | None:
        for count, message in enumerate(messages):
            try:
                self._library.send(socket, message)
            except SrtError as error:
                return count if error.code == Errno.NO_ROOM else None
        return len(messages)
