"""Taking players and publishers over RTSP and RTSPS: the port, and a thread for each connection.

What is said is in `server.py`, what all ports share in `transport/listening.py`.
"""

from __future__ import annotations

import contextlib
import functools
import secrets
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from transport.errors import LinkError, WireError
from transport.listening import Caller, Listener
from transport.rtsp.batch import Batch, Pairs
from transport.rtsp.bell import Bell
from transport.rtsp.pacing import PacedSender
from transport.rtsp.server import SESSION_TIMEOUT_S, Asking, Event, Packet, ServerSession, State
from transport.rtsp.sharedsocket import SharedSocket
from transport.rtsp.udp import Peer, Taker, UdpPair, even_port
from transport.rtsp.wire import serialize_response

_READ_BYTES = 64 * 1024
#: How long a stranger may take to be let in, and who was let in until packets flow.
_OPENING_S, _SETTING_UP_S = 10.0, 20.0
#: How long a last answer may take to be sent.
_FAREWELL_S = 1.0
#: Of a publisher's that wait for its thread; of more the oldest are lost.
_MAX_DATAGRAMS = 4096


class RtspConnection(Caller):
    """One client's connection; see `Caller`.

    One thread calls `exchange` again and again, which sends and receives. `wake` is for any thread, `send`
    for one other while the client plays.

    Attributes:
        agent: the client's software, as it calls itself.
        session: what was said so far.
    """

    def __init__(self, sock: socket.socket, tls: ssl.SSLContext | None, udp: UdpPair | None = None) -> None:
        super().__init__(sock, tls)
        self.agent = ""
        self.session = ServerSession(secrets.token_hex(8))
        self._bell = Bell()
        self._shared = SharedSocket(sock, self._bell.ring)
        self._paced = PacedSender(self._send_datagram, self._bell.ring)
        self._channels: Pairs = ()
        self._ports: Pairs = ()
        self._begins_until = self.heard_at + _OPENING_S
        self._is_admitted = False
        self._has_begun = False
        self._udp = udp
        self._peer: Peer = sock.getpeername()
        self._joined: list[tuple[tuple[int, int], Taker]] = []
        self._datagrams: deque[Packet] = deque(maxlen=_MAX_DATAGRAMS)

    @property
    def is_live(self) -> bool:
        """Whether it was let in."""
        return self._is_admitted

    @property
    def bytes_sent(self) -> int:
        """Over TCP and UDP, without TLS's own."""
        return self._shared.bytes_sent + self._paced.bytes_sent

    @property
    def packets_sent(self) -> int:
        """Of media, on their way or there."""
        return self._shared.packets_sent + self._paced.packets_sent

    @property
    def payload_bytes_sent(self) -> int:
        """Of these."""
        return self._shared.payload_bytes_sent + self._paced.payload_bytes_sent

    @property
    def transport(self) -> str:
        """What packets travel over: "tcp", "udp", or "" while that is open."""
        ways = self.session.ways.values()
        return "" if not ways else "tcp" if all(way.is_tcp for way in ways) else "udp"

    @property
    def silent_s(self) -> float:
        """For how long nothing was heard of the client, and nothing taken by it."""
        return time.monotonic() - max(self.heard_at, self._shared.moved_at)

    def wake(self) -> None:
        """Have `exchange` return, or not wait when it is called next. Any thread."""
        self._bell.ring()

    def close(self) -> None:
        """Hang up; `exchange` says so. Idempotent, any thread."""
        super().close()
        self._bell.ring()

    def release(self) -> None:
        """Give the socket back; the last thing its thread does."""
        self._leave()
        super().release()
        self._bell.close()

    def greet(self) -> None:
        """Shake hands for TLS, if that is what comes; first of all.

        Raises:
            LinkError: `unsupported` TLS, and there is no certificate; `timeout`; `ended`.
        """
        self._greet(_OPENING_S, "RTSPS")
        self._sock.setblocking(False)
        self._shared = SharedSocket(self._sock, self._bell.ring)
        if self._udp is not None and not self.key_bits:  # what is encrypted here would not be there
            self.session.udp_ports = self._udp.ports

    def ask(self) -> Asking:
        """Hear what the client wants; `describe`, `take_announcement` or `reject` answers that.

        Raises:
            LinkError: `unsupported` it speaks something else; `timeout`; `ended`.
        """
        while True:
            event = self.session.next_event()
            if isinstance(event, Asking):
                self.agent = event.agent
                return event
            self.exchange(SESSION_TIMEOUT_S)

    def admit(self) -> None:
        """It was let in: strangers do not put it out, and it has some time to begin."""
        self._is_admitted = True
        self._begins_until = time.monotonic() + _SETTING_UP_S

    def dismiss(self) -> None:
        """It is a stranger again."""
        self._leave()
        self._is_admitted = self._has_begun = False
        self._begins_until = time.monotonic() + _OPENING_S

    def start(self, firsts: Mapping[int, tuple[int, int]] | None = None) -> None:
        """Answer a `Starting`: from here on it is there as long as it is heard of.

        Args:
            firsts: as `ServerSession.start` has it.
        """
        self._has_begun = True
        self._leave()
        ways = self.session.ways.items()
        self._channels = tuple((track, way.pair) for track, way in ways if way.is_tcp)
        self._ports = tuple((track, way.pair) for track, way in ways if not way.is_tcp)
        for track, pair in self._ports:
            assert self._udp is not None
            take = functools.partial(self._take_datagram, track)
            self._udp.join(self._peer, pair, take)
            self._joined.append((pair, take))
        self.session.start(firsts or {})
        # Before any packet, as ffmpeg drops those that come before the answer.
        self._shared.answer(self.session.take_output())

    def send(self, *batches: Batch) -> int:
        """Send packets of the tracks that were set up, at once or as soon as there is room. Never waits.

        Returns:
            How many units were left out, these and others that waited: so many wait that it is far behind.
        """
        left_out = 0
        if self._channels:
            framed = [batch.framed(self._channels) for batch in batches]
            left_out = self._shared.put(*framed)
        if self._ports:
            left_out += sum(self._paced.put(batch, self._ports) for batch in batches)
        return left_out

    def drop(self) -> int | None:
        """Send none of the packets that wait; the number of the first batch of theirs, None without any."""
        numbers = [each.number for each in self._shared.drop()] + self._paced.drop()
        return min(numbers, default=None)

    def events(self, timeout_s: float) -> Sequence[Event]:
        """What happened, as in `exchange`."""
        found = self._happened()
        if not found:
            self.exchange(timeout_s)
            found = self._happened()
        return found

    def exchange(self, timeout_s: float) -> None:
        """Send what waits and receive; returns when something came, went or woke it, or the time is over.

        Raises:
            LinkError: how it ended: `ended` the client left, or `close` was called; `timeout`; `unsupported`
                it sent what cannot be read.
        """
        self._shared.answer(self.session.take_output())
        if self._is_closed:
            raise self._ended(None)
        if self.session.state is State.ENDED:
            raise LinkError("ended", "the client left")
        self._check_time()
        self._flush()
        timeout_s = min(timeout_s, self._patience_s())
        if self._paced.is_waiting:
            timeout_s = min(timeout_s, self._paced.wait_s())
        wants = select.POLLOUT if self._shared.is_waiting else 0
        wants |= 0 if self.session.is_full else select.POLLIN
        if self._shared.is_readable_at_once:
            timeout_s = 0.0
        poll = select.poll()
        poll.register(self._sock, wants)
        poll.register(self._bell, select.POLLIN)
        ready = dict(poll.poll(max(0.0, timeout_s) * 1000))
        if self._bell.fileno() in ready:
            self._bell.silence()
        if not self.session.is_full:
            self._receive()
        elif ready.get(self._sock.fileno(), 0) & (select.POLLHUP | select.POLLERR):
            raise self._ended(None)

    def finish(self) -> None:
        """Send the last answer, if the client takes it; and let it hang up first where it said goodbye.

        GStreamer may ask to pause after that, and takes a connection that is gone by then for an error.
        """
        until = time.monotonic() + _FAREWELL_S
        with contextlib.suppress(LinkError, OSError, ValueError):
            while (left := until - time.monotonic()) > 0:
                self._shared.answer(self.session.take_output())
                self._flush()
                sends = self._shared.is_waiting
                waits = self.session.state is State.ENDED and not self._is_closed
                if not (sends or waits):
                    return
                select.select([self._sock] if waits else [], [self._sock] if sends else [], [], left)
                if waits:
                    self._receive()
                    self.session.next_event()

    def _happened(self) -> list[Event]:
        found: list[Event] = []
        while self._datagrams:
            found.append(self._datagrams.popleft())
        while (event := self.session.next_event()) is not None:
            found.append(event)
        return found

    def _take_datagram(self, track: int, is_rtcp: bool, data: bytes) -> None:
        """Somebody who reads says that he does, or who publishes sends."""
        self.heard_at = time.monotonic()
        if self.session.state is State.RECORDING:
            self.bytes_received += len(data)
            self._datagrams.append(Packet(track, is_rtcp, data))
            self._bell.ring()

    def _leave(self) -> None:
        for pair, take in self._joined:
            if self._udp is not None:
                self._udp.leave(self._peer, pair, take)
        self._joined.clear()

    def _check_time(self) -> None:
        if self._patience_s() > 0:
            return
        if self._has_begun:
            raise LinkError("timeout", f"not heard of for {SESSION_TIMEOUT_S} s")
        raise LinkError("timeout", "it did not begin in time")

    def _patience_s(self) -> float:
        if self._has_begun:
            return SESSION_TIMEOUT_S - self.silent_s
        return self._begins_until - time.monotonic()

    def _receive(self) -> None:
        try:
            data = self._shared.receive(_READ_BYTES)
        except (OSError, ValueError) as error:
            raise self._ended(error) from None
        if data is None:
            return
        if not data:
            raise self._ended(None)
        self.heard_at = time.monotonic()
        self.bytes_received += len(data)
        try:
            self.session.receive(data)
        except WireError as error:
            self._shared.answer(serialize_response(400, str(error), (), b""))
            raise LinkError("unsupported", str(error)) from None

    def _flush(self) -> None:
        try:
            self._shared.flush()
        except (OSError, ValueError) as error:
            raise self._ended(error) from None
        if self._paced.is_waiting:
            self._paced.pump()

    def _send_datagram(self, port: int, packet: bytes, is_rtcp: bool) -> bool:
        return self._udp is not None and self._udp.send(self._peer, port, packet, is_rtcp=is_rtcp)


class RtspListener(Listener[RtspConnection]):
    """The port, with the pair of UDP ports beside it; see `Listener`.

    Args:
        address: host and port.
        serve: given each connection in a thread of its own; returns when it is over.
        tls: for RTSPS, None without a certificate.
        udp: whether packets go over UDP for those who want that, in the clear.

    Raises:
        LinkError: `unreachable`: a port cannot be had.
    """

    def __init__(
        self,
        address: tuple[str, int],
        serve: Callable[[RtspConnection], None],
        tls: ssl.SSLContext | None = None,
        *,
        udp: bool = True,
    ) -> None:
        self._udp: UdpPair | None = None
        super().__init__(address, "RTSP", self._connection, serve, tls)
        if not udp:
            return
        host, port = self.address
        try:
            self._udp = UdpPair(host, even_port(port))
        except LinkError:
            super().close()
            raise

    def close(self) -> None:
        """Let nobody in any more, end every connection and wait for the threads."""
        super().close()
        if self._udp is not None:
            self._udp.close()

    def _connection(self, sock: socket.socket, tls: ssl.SSLContext | None) -> RtspConnection:
        return RtspConnection(sock, tls, self._udp)
