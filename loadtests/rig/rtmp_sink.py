"""An RTMP server that takes every publication and drops its media; run as a process of its own.

    python -m loadtests.rig.rtmp_sink PORT

Handshake and commands are real. From the first media on bytes are only counted, so that its own work does not
limit what is measured. Every half second it prints a line of JSON: publications open, and bytes so far.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from dataclasses import dataclass
from typing import cast

import uvloop

from transport.rtmp.server import Connecting, Publishing, ServerSession
from transport.rtmp.wire import HANDSHAKE_BYTES

_BUFFER = memoryview(bytearray(1 << 18))


@dataclass(slots=True)
class Tally:
    """What the process has seen.

    Attributes:
        publishing: connections that publish now.
        bytes: media of all of them.
        ended: connections that are over.
    """

    publishing: int = 0
    bytes: int = 0
    ended: int = 0


class Sink(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._session: ServerSession | None = ServerSession(secrets.token_bytes(HANDSHAKE_BYTES - 8), 0.0)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """All connections read into the same place: nobody looks at it again."""
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio.BufferedProtocol."""
        session = self._session
        if session is None:
            self._tally.bytes += nbytes
            return
        assert self._transport is not None
        session.receive(bytes(_BUFFER[:nbytes]))
        while (event := session.next_event()) is not None:
            if isinstance(event, (Connecting, Publishing)):
                session.accept()
        self._transport.write(session.take_output())
        if session.is_live:
            self._session = None
            self._tally.publishing += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self._session is None:
            self._tally.publishing -= 1
        self._tally.ended += 1


async def _serve(port: int) -> None:
    tally = Tally()
    await asyncio.get_running_loop().create_server(lambda: Sink(tally), "127.0.0.1", port)
    while True:
        line = {"publishing": tally.publishing, "bytes": tally.bytes, "ended": tally.ended}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
