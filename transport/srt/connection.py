"""One established SRT connection, whoever called whom."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Sequence

from transport.errors import LinkError
from transport.srt.abi import Errno, KeyState, Option, State
from transport.srt.address import Address
from transport.srt.inbox import INTERVAL_S, MOST_MESSAGES, open_inbox
from transport.srt.libsrt import Libsrt, SrtError
from transport.srt.options import SrtOptions
from transport.srt.outbox import open_outbox
from transport.srt.statistics import SrtStatistics, summarize
from transport.srt.wire import StreamId

# A shorter time between two readings makes a rate of little meaning.
_RATE_INTERVAL_S = 1.0

# Messages may be due so much later than the latency after they were sent.
_HANDSHAKE_DELAY_S = 1.0


class SrtConnection:
    """Messages in, messages out. One thread receives; everything else may be called from any thread.

    Attributes:
        id: short and random, for logs.
        stream_id: what the caller asked for; an empty resource where we called and sent none.
        peer_address: of the other side.
    """

    def __init__(
        self, library: Libsrt, socket: int, stream_id: StreamId, peer_address: Address, options: SrtOptions
    ) -> None:
        self.id = secrets.token_hex(4)
        self.stream_id = stream_id
        self.peer_address = peer_address
        self._library = library
        self._socket = socket
        self._options = options
        self._closed = False
        self._lock = threading.Lock()
        self._tail_ends_at: float | None = None
        self._received_at = time.monotonic()
        self._waits = True
        self._rates = _Rates(time.monotonic())
        self._inbox = open_inbox(library, socket)
        self._outbox = open_outbox(library)

    def __repr__(self) -> str:
        host, port = self.peer_address
        return f"<SrtConnection {self.id} {self.stream_id.resource!r} {host} port {port}>"

    def receive(self) -> bytes:
        """Wait for the next message: 1 to 1456 bytes.

        Raises:
            LinkError: `ended` once the connection is over and everything that arrived was handed out,
                or at once after `close`; `timeout` if the peer sent no media for `receive_timeout_ms`
                (the connection stands and may be tried again).
        """
        return self.receive_many(1)[0]

    def receive_many(self, max_messages: int = MOST_MESSAGES) -> list[bytes]:
        """Wait for messages, and take all that are due.

        Args:
            max_messages: 1 to 64.

        Returns:
            1 to `max_messages` messages in order.

        Raises:
            LinkError: as `receive`.
        """
        deadline = time.monotonic() + self._options.receive_timeout_ms / 1000
        while True:
            messages, is_over = self._inbox.wait(max_messages, deadline - time.monotonic())
            if messages:
                self._received_at = time.monotonic()
                return messages
            if self._closed:
                raise self._ended()
            if is_over:
                self._check_tail()
                time.sleep(INTERVAL_S)
            elif time.monotonic() >= deadline:
                seconds = self._options.receive_timeout_ms / 1000
                raise LinkError("timeout", f"no media from the peer for {seconds:g} s")

    def _check_tail(self) -> None:
        """Raise unless messages that arrived before the peer left still wait for their time.

        libsrt hands them out when they are due and calls the connection lost in between; without this
        every stream would lose its last `latency_ms`. A gap among them is never filled any more: the
        deadline ends it.

        Times count from when the handshake was read here, which a busy machine does late: hence the delay.
        """
        try:
            if self._tail_ends_at is None:
                self._tail_ends_at = time.monotonic() + self.latency_s + _HANDSHAKE_DELAY_S
            if time.monotonic() < self._tail_ends_at and self._library.option(self._socket, Option.RCVDATA):
                return
        except (SrtError, LinkError):
            pass  # libsrt has forgotten the socket
        raise self._ended()

    def _ended(self) -> LinkError:
        by = "closed" if self._closed else "the peer left or fell silent"
        return LinkError("ended", f"connection {self.id} ended: {by}")

    def send(self, data: bytes) -> None:
        """Queue one message; waits while the send buffer is full.

        Args:
            data: 1 to `payload_bytes` bytes.

        Raises:
            ValueError: empty or too long.
            LinkError: `ended`, or `timeout` if the buffer stayed full for `send_timeout_ms`.
        """
        _check_length(len(data), self._options.payload_bytes)
        try:
            self._library.send(self._socket, data)
        except SrtError as error:
            if error.code in (Errno.TIMEOUT, Errno.NO_ROOM):
                raise LinkError("timeout", f"connection {self.id}: the send buffer stayed full") from error
            raise self._ended() from error

    def send_now(self, messages: Sequence[bytes]) -> int:
        """Queue messages as far as there is room. From the first call on `send` does not wait either.

        Args:
            messages: in order, each as `send` takes it.

        Returns:
            How many found room, from the first one on.

        Raises:
            ValueError: one is empty or too long.
            LinkError: `ended`.
        """
        (taken,) = send_to_all([self], messages)
        if taken is None:
            raise self._ended()
        return taken

    def _stop_waiting(self) -> None:
        if self._waits:
            with contextlib.suppress(SrtError):  # it is over, as sending will tell
                self._library.set_option(self._socket, Option.SNDSYN, False)
                self._waits = False

    @property
    def is_over(self) -> bool:
        """The peer left or fell silent for good: what arrived is still handed out, nothing else will come."""
        return self._closed or self._library.state(self._socket) != State.CONNECTED

    @property
    def silent_s(self) -> float:
        """How long nothing has come: since the connection was made, or the last message was handed out.

        0 while messages wait for their time.
        """
        try:
            if self._library.option(self._socket, Option.RCVDATA):
                return 0.0
        except SrtError:
            pass  # libsrt has forgotten the socket
        return time.monotonic() - self._received_at

    @property
    def latency_s(self) -> float:
        """From a message's sending to its being handed out, as both sides agreed.

        Raises:
            LinkError: `ended`.
        """
        try:
            return self._library.option(self._socket, Option.RCVLATENCY) / 1000
        except SrtError as error:
            raise self._ended() from error

    @property
    def key_bytes(self) -> int:
        """Length of the AES key that media comes in with, 0 unless both sides have it.

        Not what was asked for: libsrt takes the length from the sender's key message.

        Raises:
            LinkError: `ended`.
        """
        try:
            secured = self._library.option(self._socket, Option.RCVKMSTATE) == KeyState.SECURED
            return self._library.option(self._socket, Option.PBKEYLEN) if secured else 0
        except SrtError as error:
            raise self._ended() from error

    def check_key(self, key_bytes: int) -> None:
        """Make sure that what comes is encrypted well enough; anew from time to time, since keys change.

        Raises:
            LinkError: `unauthorized`, the key is shorter or there is none; `ended`.
        """
        used = self.key_bytes
        if used < key_bytes:
            raise LinkError(
                "unauthorized",
                f"encryption of AES-{key_bytes * 8} is demanded, the peer's media comes with "
                + (f"AES-{used * 8}" if used else "none"),
            )

    def statistics(self) -> SrtStatistics:
        """Counters and state as they are now.

        Raises:
            LinkError: `ended`.
        """
        try:
            trace = self._library.statistics(self._socket)
            key_state = self._library.option(self._socket, Option.KMSTATE)
            key_bytes = self._library.option(self._socket, Option.PBKEYLEN)
        except SrtError as error:
            raise self._ended() from error
        receive_bps, send_bps = self._rates.update(time.monotonic(), trace.byteRecvTotal, trace.byteSentTotal)
        return summarize(
            trace, receive_bps=receive_bps, send_bps=send_bps, key_state=key_state, key_bytes=key_bytes
        )

    def close(self) -> None:
        """End the connection: a waiting `receive` ends soon, what is unsent is lost. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._inbox.stop()
        self._library.close(self._socket)


def send_to_all(connections: Sequence[SrtConnection], messages: Sequence[bytes]) -> list[int | None]:
    """`SrtConnection.send_now` of the same messages on many connections, in one call.

    Returns:
        For each connection how many messages found room; None where it is over.

    Raises:
        ValueError: a message is empty or too long for one of them.
    """
    if not connections or not messages:
        return [0] * len(connections)
    most = min(connection._options.payload_bytes for connection in connections)
    for length in (min(map(len, messages)), max(map(len, messages))):
        _check_length(length, most)
    for connection in connections:
        connection._stop_waiting()
    return connections[0]._outbox.send([connection._socket for connection in connections], messages)


def _check_length(length: int, most: int) -> None:
    if not 1 <= length <= most:
        raise ValueError(f"message of {length} bytes, expected 1 to {most}")


class _Rates:
    """Bit rates over the last second or more, however often and by however many they are read."""

    def __init__(self, now: float) -> None:
        self._lock = threading.Lock()
        self._at = now
        self._bytes = (0, 0)
        self._rates = (0, 0)
        self._settled = False

    def update(self, now: float, received: int, sent: int) -> tuple[int, int]:
        """Bits per second received and sent."""
        with self._lock:
            elapsed = now - self._at
            # Until the first whole second every reading shows the average so far.
            if elapsed >= _RATE_INTERVAL_S or (not self._settled and elapsed > 0):
                self._rates = (
                    int((received - self._bytes[0]) * 8 / elapsed),
                    int((sent - self._bytes[1]) * 8 / elapsed),
                )
            if elapsed >= _RATE_INTERVAL_S:
                self._at, self._bytes, self._settled = now, (received, sent), True
            return self._rates
