"""A line between clients and a UDP server that carries so much and no more, with a queue as routers have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_Address = tuple[str, int]
_OVERHEAD_BYTES = 28


class UdpLine(asyncio.DatagramProtocol):
    """Forwards on the event loop, from a port of its own for each client.

    Args:
        port: of the server, on this machine.
        queue_s: how long what comes may wait for what came before; then it is dropped.

    Attributes:
        port: where clients send instead.
        limit_bps: toward the server, with IP and UDP headers; 0 for none.
        dropped: datagrams that found the queue full.
    """

    def __init__(self, port: int, queue_s: float = 0.3) -> None:
        self.port = 0
        self.limit_bps = 0
        self.dropped = 0
        self._server = ("127.0.0.1", port)
        self._queue_s = queue_s
        self._loop = asyncio.get_running_loop()
        self._free_at = 0.0
        self._near: asyncio.DatagramTransport | None = None
        self._far: dict[_Address, asyncio.DatagramTransport] = {}
        self._opening: dict[_Address, list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, port: int, queue_s: float = 0.3) -> UdpLine:
        """Lay one to a server on this machine."""
        line = cls(port, queue_s)
        near, _ = await line._loop.create_datagram_endpoint(lambda: line, ("127.0.0.1", 0))
        line._near = near
        line.port = near.get_extra_info("sockname")[1]
        return line

    def close(self) -> None:
        """Carry nothing more."""
        for transport in (self._near, *self._far.values()):
            if transport is not None:
                transport.close()

    def datagram_received(self, data: bytes, addr: _Address) -> None:
        """From a client: on its way when those before it are."""
        now = self._loop.time()
        begins_at = max(now, self._free_at)
        if begins_at - now > self._queue_s:
            self.dropped += 1
            return
        if self.limit_bps:
            self._free_at = begins_at + 8 * (len(data) + _OVERHEAD_BYTES) / self.limit_bps
            self._loop.call_at(self._free_at, self._forward, data, addr)
        else:
            self._forward(data, addr)

    def _forward(self, data: bytes, client: _Address) -> None:
        if (far := self._far.get(client)) is not None:
            if not far.is_closing():
                far.sendto(data)
        elif client in self._opening:
            self._opening[client].append(data)
        else:
            self._opening[client] = [data]
            task = self._loop.create_task(self._open_far(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _open_far(self, client: _Address) -> None:
        def back(data: bytes) -> None:
            if self._near is not None and not self._near.is_closing():
                self._near.sendto(data, client)

        far, _ = await self._loop.create_datagram_endpoint(lambda: _Back(back), remote_addr=self._server)
        self._far[client] = far
        for data in self._opening.pop(client):
            far.sendto(data)


class _Back(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: _Address) -> None:
        self._take(data)
