"""The connection under a push: socket, TLS and timers around `session.py`."""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

from transport.errors import LinkError
from transport.outlet import TICK_S
from transport.output import PushOptions
from transport.rtmp import flv
from transport.rtmp.address import RtmpTarget
from transport.rtmp.amf0 import Value
from transport.rtmp.dial import connect_tcp, round_trip_ms, tls_context, tls_failure, unacknowledged
from transport.rtmp.session import ClientSession, SessionOptions, State
from transport.rtmp.wire import HANDSHAKE_BYTES, MessageType

_RANDOM_BYTES = HANDSHAKE_BYTES - 8
_FOUR_CCS = tuple(code.decode() for code in flv.FOUR_CCS.values())


class Link(asyncio.Protocol):
    """Moves bytes between a transport and a session, and keeps time.

    Args:
        target: where to publish.
        options: the push's.
        on_tick: called every `TICK_S` while live, with now and the bytes sent.

    Attributes:
        ended: why it is over, once it is.
        bytes_sent: media and commands, TLS not counted.
        lag_s: how long ago the first of it was sent that has not arrived, to half a second; 0 for nothing.
        encryption: such as "TLSv1.3, TLS_AES_256_GCM_SHA384", "none" without.
        peer: "host:port" as connected.
    """

    def __init__(
        self, target: RtmpTarget, options: PushOptions, on_tick: Callable[[float, int], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[LinkError] = self._loop.create_future()
        self.bytes_sent = 0
        self.lag_s = 0.0
        self.encryption = "none"
        self.peer = ""
        self._target = target
        self._options = options
        self._on_tick = on_tick
        self._opens_until = 0.0
        self._session: ClientSession | None = None
        self._transport: asyncio.Transport | None = None
        self._sock: socket.socket | None = None
        self._settled = asyncio.Event()  # live, or over
        self._answered = asyncio.Event()  # to our goodbye
        self._lost = asyncio.Event()
        self._deadline: asyncio.TimerHandle | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._progress = 0
        self._progress_at = 0.0
        # When how many bytes had been sent, for those that have not all arrived.
        self._sent: deque[tuple[float, int]] = deque()

    async def open(self) -> None:
        """Connect, shake hands and ask for permission to publish.

        Raises:
            LinkError: as `Push.connect`.
        """
        target, options = self._target, self._options
        self._opens_until = self._loop.time() + options.connect_timeout_s
        context = await tls_context(options.ca_file) if target.secure else None
        sock = await connect_tcp(target.host, target.port, self._opens_until - self._loop.time())
        try:
            async with asyncio.timeout_at(self._opens_until):
                await self._loop.create_connection(
                    lambda: self,
                    sock=sock,
                    ssl=context,
                    server_hostname=target.host if target.secure else None,
                )
        except TimeoutError:
            raise LinkError("timeout", f"{target.host} did not answer the TLS handshake in time") from None
        except (ssl.SSLError, OSError) as error:
            raise tls_failure(error, target.host) from None
        if not self._lost.is_set():
            self._sock = sock
        try:
            async with asyncio.timeout_at(self._opens_until + options.command_timeout_s):
                await self._settled.wait()
        except TimeoutError:
            raise LinkError("timeout", f"{target.host} did not answer in time") from None
        if not self.is_live:
            raise await asyncio.shield(self.ended)
        self._progress_at = self._loop.time()
        self._tick()

    @property
    def is_live(self) -> bool:
        """True while media may be sent."""
        session = self._session
        return session is not None and session.state is State.LIVE and not self.ended.done()

    @property
    def queued_bytes(self) -> int:
        """What waits in this process."""
        transport = self._transport
        return transport.get_write_buffer_size() if transport is not None and not self._lost.is_set() else 0

    @property
    def unacknowledged_bytes(self) -> int | None:
        """What waits in the kernel or is on the way."""
        return unacknowledged(self._sock) if self._sock is not None else None

    @property
    def rtt_ms(self) -> float | None:
        """The kernel's smoothed round trip."""
        return round_trip_ms(self._sock) if self._sock is not None else None

    def send(self, kind: MessageType, timestamp: int, body: bytes, pieces: Sequence[bytes] = ()) -> None:
        """Send one message; only while live."""
        assert self._session is not None and self._transport is not None
        buffers = self._session.media(kind, timestamp, body, pieces)
        # Written together in one system call, and never copied but by TLS.
        self._transport.writelines(buffers)
        self.bytes_sent += len(body) + len(buffers[0])

    def send_metadata(self, values: dict[str, Value], timestamp: int) -> None:
        """Send onMetaData; only while live."""
        assert self._session is not None
        self._session.send_metadata(values, timestamp)
        self._flush()

    async def close(self, timeout_s: float) -> None:
        """Say goodbye, wait until the server has heard it, and close; by force when time is over."""
        if self._transport is None or self._session is None:
            self._over(LinkError("ended", "closed"))
            return
        was_live = self.is_live
        self._session.finish()
        try:
            async with asyncio.timeout(timeout_s):
                if was_live and not self._lost.is_set():
                    self._answered.clear()
                    self._flush()
                    # Closing before its answer was read would reset the connection, and the goodbye with it.
                    await self._answered.wait()
                self._transport.close()
                await self._lost.wait()
        except TimeoutError:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Close at once. Idempotent."""
        if self._transport is not None and not self._lost.is_set():
            self._transport.abort()
        self._over(LinkError("ended", "closed"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)
        host, port = transport.get_extra_info("peername")[:2]
        self.peer = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if tls := transport.get_extra_info("ssl_object"):
            self.encryption = ", ".join(part for part in (tls.version(), (tls.cipher() or ("",))[0]) if part)
        now = self._loop.time()
        options = SessionOptions(
            handshake_timeout_s=self._opens_until - now,
            command_timeout_s=self._options.command_timeout_s,
            four_ccs=_FOUR_CCS if self._options.enhanced else (),
        )
        self._session = ClientSession(self._target, secrets.token_bytes(_RANDOM_BYTES), now, options)
        self._advance()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._answered.set()
        assert self._session is not None
        self._session.receive(data, self._loop.time())
        self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._sock = None
        self._lost.set()
        self._answered.set()
        if self._session is not None:
            self._session.receive_end()
            self._advance()

    def _advance(self) -> None:
        """Do what the session wants now."""
        session = self._session
        assert session is not None
        self._flush()
        if session.failure is not None:
            if self._transport is not None and not self.ended.done():
                self._transport.close()
            self._over(session.failure)
            return
        if session.state is State.LIVE:
            self._settled.set()
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if session.deadline_at is not None:
            self._deadline = self._loop.call_at(session.deadline_at, self._on_deadline)

    def _flush(self) -> None:
        assert self._session is not None
        output = self._session.take_output()
        if output and self._transport is not None and not self._lost.is_set():
            self._transport.write(output)
            self.bytes_sent += len(output)

    def _on_deadline(self) -> None:
        assert self._session is not None
        # An event loop may call a little early; this is the time that was waited for.
        self._session.handle_timeout(max(self._loop.time(), self._session.deadline_at or 0.0))
        self._advance()

    def _tick(self) -> None:
        """Note the rate, and give up a peer that takes nothing."""
        if self.ended.done():
            return
        now = self._loop.time()
        self._on_tick(now, self.bytes_sent)
        waiting = self.queued_bytes + (self.unacknowledged_bytes or 0)
        taken = self.bytes_sent - waiting
        while self._sent and self._sent[0][1] <= taken:
            self._sent.popleft()
        self.lag_s = now - self._sent[0][0] if self._sent else 0.0
        self._sent.append((now, self.bytes_sent))
        if waiting == 0 or taken > self._progress:
            self._progress, self._progress_at = taken, now
        elif now - self._progress_at >= self._options.stall_timeout_s:
            seconds = self._options.stall_timeout_s
            self._over(LinkError("timeout", f"the server took nothing for {seconds:g} s"))
            self.abort()
            return
        self._ticker = self._loop.call_later(TICK_S, self._tick)

    def _over(self, failure: LinkError) -> None:
        if not self.ended.done():
            self.ended.set_result(failure)
        self._settled.set()
        for timer in (self._deadline, self._ticker):
            if timer is not None:
                timer.cancel()
