"""The Python plane's one thread: sockets, timers, and who is sent what.

It never waits for the event loop or a viewer. Decisions are elsewhere: `ice.py` (whose datagram is this),
`viewer.py` and `outgoing.py` (what is sent when). `reference.py` is what callers see of it.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import os
import selectors
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from transport.errors import WireError
from transport.plane import delays
from transport.plane.ice import IceLite
from transport.plane.outgoing import Outgoing
from transport.plane.priority import raise_priority
from transport.plane.routes import Route, TcpRoute, UdpRoute
from transport.plane.seat import Seat
from transport.plane.source import Source
from transport.rtp.rtcp import is_rtcp

_log = logging.getLogger(__name__)

_DATAGRAM_BYTES = 2048
#: Datagrams taken from one socket before the others, the timers and the feeds get their turn.
_BATCH = 64
#: Also how late a clock that is not the system's may be noticed.
_MAX_WAIT_S = 0.25
_TICK_S = 0.5
_MAX_UNPROVEN_CONNECTIONS = 256
_PROOF_S = 10.0
_KEYFRAME_INTERVAL_S = 1.0
_LISTEN_RETRY_S = 0.1


@dataclass(frozen=True, slots=True)
class Clocks:
    """Where time comes from: `monotonic` for deadlines, `wall` (seconds since 1970) for sender reports."""

    monotonic: Callable[[], float]
    wall: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Listener:
    """What the thread tells: called from it, must not wait."""

    dtls: Callable[[Seat, bytes], None]
    moved: Callable[[Seat, Route], None]
    keyframe_wanted: Callable[[Source], None]
    lost: Callable[[Seat], None]


class PlaneLoop:
    """Owns the sockets. Public methods without a note are for any thread.

    Attributes:
        garbage: datagrams that nobody could have sent in good faith, and ones from strangers.
        delays: from a unit's writing to its sending, counts by bucket of `delays.py`.
    """

    def __init__(
        self,
        udp: Sequence[socket.socket],
        tcp: Sequence[socket.socket],
        consent_s: float,
        clocks: Clocks,
        listener: Listener,
    ) -> None:
        self.garbage = 0
        self._sockets = (*udp, *tcp)
        self._consent_s = consent_s
        self._clocks = clocks
        self._listener = listener
        self._ice: IceLite[Seat] = IceLite()
        self._ice_lock = threading.Lock()
        self._owners: dict[Route, Seat] = {}
        self._connections: dict[TcpRoute, int] = {}
        self._subscribers: dict[Source, dict[Outgoing, Seat]] = {}
        self._keyframe_wanted_at: dict[Source, float] = {}
        self._timers: list[tuple[float, int, Callable[[float], None]]] = []
        self._timer_number = itertools.count()
        self._pull_at: dict[Outgoing, float] = {}
        # Both hold what callers asked for and are emptied at every turn: one entry per call, one per feed.
        self._commands: deque[Callable[[float], None]] = deque()
        self._written: deque[Source] = deque()
        self.delays = np.zeros(delays.BUCKETS, dtype=np.uint64)
        self._stopping = False
        self._wake_lock = threading.Lock()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_fd, selectors.EVENT_READ, self._on_wake)
        for sock in udp:
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ, self._on_udp(sock))
        for sock in tcp:
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ, self._on_listener(sock))
        self._thread = threading.Thread(target=self._run, name="plane", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Do what was asked for before, then end the thread and close everything. Waits for it."""
        self._stopping = True
        self._wake()
        self._thread.join()

    def add(self, seat: Seat, ufrag: str, password: str) -> None:
        """Expect a viewer.

        Raises:
            ValueError: the ufrag belongs to another one.
        """
        self.set_credentials(seat, ufrag, password)
        self.call(lambda now: self._tick(seat, now))

    def set_credentials(self, seat: Seat, ufrag: str, password: str) -> None:
        """Accept checks under these credentials too.

        Raises:
            ValueError: the ufrag belongs to another viewer.
        """
        with self._ice_lock:
            self._ice.add(ufrag, password, seat, self._clocks.monotonic())

    def call(self, command: Callable[[float], None]) -> None:
        """Run something in the thread, soon and in order; it gets the time."""
        self._commands.append(command)
        self._wake()

    def written(self, source: Source) -> None:
        """A feed has new units."""
        if not source.is_announced:
            source.is_announced = True
            source.announced_at = self._clocks.monotonic()
            self._written.append(source)
            self._wake()

    def send(self, seat: Seat, datagram: bytes) -> None:
        """Send one datagram as it is. In the thread."""
        if seat.selected is not None and not seat.is_over:
            self._transmit(seat, seat.selected, [datagram])

    def attach(self, outgoing: Outgoing, seat: Seat, now: float) -> None:
        """Send a subscription from now on. In the thread."""
        for source in outgoing.sources:
            if not source.closed:
                self._subscribers.setdefault(source, {})[outgoing] = seat
        self._pull(outgoing, seat, now)

    def forget_feed(self, source: Source, now: float) -> None:
        """A feed was closed: detach its viewers. In the thread."""
        self._keyframe_wanted_at.pop(source, None)
        for outgoing, seat in self._subscribers.pop(source, {}).items():
            self._pull(outgoing, seat, now)  # one that waits to move need not wait for a keyframe now

    def resume(self, seat: Seat, now: float) -> None:
        """Keys or address are new: send what is due. In the thread."""
        for outgoing in seat.viewer.outgoing:
            self._pull(outgoing, seat, now)

    def remove(self, seat: Seat, now: float, *, bye: bool) -> None:
        """Forget a viewer, after a goodbye if asked. In the thread."""
        if seat.is_closed:
            return
        if bye and seat.can_send and seat.selected is not None:
            self._transmit(seat, seat.selected, seat.viewer.bye(now, self._clocks.wall()))
        seat.is_closed = True
        with self._ice_lock:
            self._ice.remove(seat)
        self._detach(seat)
        for route in seat.routes:
            self._owners.pop(route, None)
            if isinstance(route, TcpRoute):
                self._close(route)

    # The thread

    def _run(self) -> None:
        raise_priority()
        while not self._stopping or self._commands:
            self._turn()
        for route in list(self._connections):
            self._close(route)
        self._selector.close()
        for sock in self._sockets:
            sock.close()
        with self._wake_lock:
            os.close(self._wake_fd)
            self._wake_fd = -1

    def _turn(self) -> None:
        try:
            ready = self._selector.select(self._wait_s())
            for key, events in ready:
                key.data(events)
            now = self._clocks.monotonic()
            self._run_commands(now)
            self._run_feeds(now)
            self._run_timers(now)
        except Exception:
            # A bug must not end the thread that everybody's pictures come from.
            _log.exception("the plane's thread met something unexpected")

    def _wait_s(self) -> float:
        if self._commands or self._written:
            return 0.0
        if not self._timers:
            return _MAX_WAIT_S
        return min(_MAX_WAIT_S, max(0.0, self._timers[0][0] - self._clocks.monotonic()))

    def _wake(self) -> None:
        # The lock: a number that was closed meanwhile may be somebody else's file by now.
        with self._wake_lock:
            if self._wake_fd >= 0:
                os.eventfd_write(self._wake_fd, 1)

    def _on_wake(self, _: int) -> None:
        os.eventfd_read(self._wake_fd)

    def _run_commands(self, now: float) -> None:
        while self._commands:
            self._commands.popleft()(now)

    def _run_feeds(self, now: float) -> None:
        while self._written:
            source = self._written.popleft()
            source.is_announced = False
            since = source.announced_at
            subscribers = list(self._subscribers.get(source, {}).items())
            for outgoing, seat in subscribers:
                self._pull(outgoing, seat, now)
                if source not in outgoing.sources:
                    self._subscribers[source].pop(outgoing, None)
            if subscribers:
                self.delays[delays.bucket(self._clocks.monotonic() - since)] += np.uint64(1)

    def _run_timers(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2](now)

    def _at(self, due: float, callback: Callable[[float], None]) -> None:
        heapq.heappush(self._timers, (due, next(self._timer_number), callback))

    # Sending

    def _pull(self, outgoing: Outgoing, seat: Seat, now: float) -> None:
        route = seat.selected
        if route is None or not seat.can_send:
            return
        first_report = not outgoing.packets
        datagrams = seat.viewer.pull(outgoing, now, room_bytes=route.room_bytes)
        if datagrams:
            sent = self._transmit(seat, route, datagrams)
            seat.viewer.counters.packets_sent += sent
            seat.viewer.counters.packets_dropped += len(datagrams) - sent
            if first_report:
                self._report(seat, now)
        due = outgoing.deadline
        if due is not None and self._pull_at.get(outgoing, math.inf) > due:
            self._pull_at[outgoing] = due
            self._at(due, lambda now: self._pull_again(outgoing, seat, now))

    def _pull_again(self, outgoing: Outgoing, seat: Seat, now: float) -> None:
        self._pull_at.pop(outgoing, None)
        self._pull(outgoing, seat, now)

    def _report(self, seat: Seat, now: float) -> None:
        if seat.selected is not None and seat.can_send:
            self._transmit(seat, seat.selected, seat.viewer.reports(now, self._clocks.wall()))

    def _transmit(self, seat: Seat, route: Route, datagrams: Sequence[bytes]) -> int:
        sent = route.send(datagrams)
        seat.viewer.counters.bytes_sent += sum(map(len, datagrams[:sent]))
        if isinstance(route, TcpRoute):
            self._watch(route)
        return sent

    def _tick(self, seat: Seat, now: float) -> None:
        if seat.is_over:
            return
        if now >= seat.consent_at:
            self._lose(seat)
            return
        self._report(seat, now)
        self._at(min(now + _TICK_S, seat.consent_at), lambda now: self._tick(seat, now))

    def _lose(self, seat: Seat) -> None:
        if not seat.is_over:
            seat.is_lost = True
            self._detach(seat)
            if seat.inbox is not None:
                seat.inbox.end()
            self._listener.lost(seat)

    def _detach(self, seat: Seat) -> None:
        for outgoing in seat.viewer.outgoing:
            self._pull_at.pop(outgoing, None)
            for source in outgoing.sources:
                self._subscribers.get(source, {}).pop(outgoing, None)

    # Receiving

    def _on_udp(self, sock: socket.socket) -> Callable[[int], None]:
        def receive(_: int) -> None:
            for _ in range(_BATCH):
                try:
                    # One more, or what is longer would look as if it had been sent cut off.
                    datagram, sockaddr = sock.recvfrom(_DATAGRAM_BYTES + 1)
                except BlockingIOError:
                    return
                except OSError:
                    continue  # an earlier datagram's ICMP error, reported here
                if len(datagram) > _DATAGRAM_BYTES:
                    self.garbage += 1
                    continue
                self._received(datagram, UdpRoute(sock, sockaddr))

        return receive

    def _received(self, datagram: bytes, route: Route) -> None:
        """Sort by the first byte (RFC 7983)."""
        now = self._clocks.monotonic()
        # What a caller asked for before a viewer spoke takes effect before.
        self._run_commands(now)
        if isinstance(route, TcpRoute) and not route.is_open:
            return
        first = datagram[0] if datagram else 255
        seat = self._owners.get(route)
        try:
            if first < 4:
                self._on_stun(datagram, route, now)
            elif seat is None or seat.is_over:
                raise WireError("from a stranger")
            elif 20 <= first < 64:
                self._listener.dtls(seat, datagram)
            elif 128 <= first < 192 and len(datagram) > 1 and seat.inbox is not None:
                if not seat.inbox.put(datagram, now):
                    raise WireError("nobody takes it any more")
            elif 128 <= first < 192 and is_rtcp(datagram):
                self._on_rtcp(datagram, seat, route, now)
            else:
                raise WireError("neither STUN, DTLS nor RTCP")
        except WireError:
            self.garbage += 1

    def _on_stun(self, datagram: bytes, route: Route, now: float) -> None:
        with self._ice_lock:
            verdict = self._ice.check(datagram, route.address, now)
        seat = verdict.owner
        if seat is None:
            self.garbage += 1
            if verdict.reply is not None:
                route.send([verdict.reply])
            return
        if seat.is_over:
            raise WireError("stun: for somebody who is gone")
        former = self._owners.get(route)
        if former is not None and former is not seat:
            self._lose_route(former, route, now)
        moved, evicted = seat.checked(route, nominated=verdict.nominated)
        self._owners[route] = seat
        if isinstance(route, TcpRoute):
            route.is_proved = True
        seat.consent_at = now + self._consent_s
        seat.viewer.counters.last_heard_s = now
        if evicted is not None:
            self._owners.pop(evicted, None)
            if isinstance(evicted, TcpRoute):
                self._close(evicted)
        if verdict.reply is not None:
            self._transmit(seat, route, [verdict.reply])
        if moved:
            self._listener.moved(seat, route)
            self.resume(seat, now)

    def _on_rtcp(self, datagram: bytes, seat: Seat, route: Route, now: float) -> None:
        reaction = seat.viewer.receive_rtcp(datagram, now, self._clocks.wall())
        if reaction.datagrams and seat.selected is not None:
            self._transmit(seat, seat.selected, reaction.datagrams)
        for source in reaction.keyframes:
            if source.closed:
                continue
            if now - self._keyframe_wanted_at.get(source, -math.inf) >= _KEYFRAME_INTERVAL_S:
                self._keyframe_wanted_at[source] = now
                self._listener.keyframe_wanted(source)
        if reaction.has_left:
            self._lose(seat)
        else:
            self._report(seat, now)

    # TCP

    def _on_listener(self, listener: socket.socket) -> Callable[[int], None]:
        def accept(_: int) -> None:
            try:
                connection, sockaddr = listener.accept()
            except BlockingIOError:
                return
            except OSError:
                # Out of descriptors, most likely: what stays in the backlog would wake us without end.
                self._selector.unregister(listener)
                self._at(self._clocks.monotonic() + _LISTEN_RETRY_S, listen)
                return
            strangers = [route for route in self._connections if route not in self._owners]
            if len(strangers) >= _MAX_UNPROVEN_CONNECTIONS:
                # Of the network that has most of them, so that whoever floods us keeps nobody else out.
                networks = Counter(route.network for route in strangers)
                self._close(max(strangers, key=lambda route: networks[route.network]))
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            now = self._clocks.monotonic()
            route = TcpRoute(connection, sockaddr, now)
            self._connections[route] = selectors.EVENT_READ
            self._selector.register(connection, selectors.EVENT_READ, self._on_connection(route))
            self._at(now + _PROOF_S, lambda now: None if route in self._owners else self._close(route))

        def listen(_: float) -> None:
            self._selector.register(listener, selectors.EVENT_READ, accept)

        return accept

    def _on_connection(self, route: TcpRoute) -> Callable[[int], None]:
        def ready(events: int) -> None:
            if events & selectors.EVENT_WRITE:
                route.flush()
            if events & selectors.EVENT_READ:
                try:
                    for datagram in route.receive():
                        self._received(datagram, route)
                except WireError:
                    self.garbage += 1
                    route.is_open = False
            self._watch(route)

        return ready

    def _watch(self, route: TcpRoute) -> None:
        """Ask for what the connection needs next, or end it."""
        if not route.is_open:
            # Later, as callers may be in the middle of sending to this very viewer.
            self.call(lambda now: self._ended(route, now))
            return
        # Of whoever does not read nothing is read either: every check would add an answer to what waits.
        wanted = selectors.EVENT_READ if route.room_bytes > 0 else 0
        wanted |= selectors.EVENT_WRITE if route.wants_to_write else 0
        if self._connections.get(route, wanted) != wanted:
            self._connections[route] = wanted
            self._selector.modify(route.socket, wanted, self._selector.get_key(route.socket).data)

    def _ended(self, route: TcpRoute, now: float) -> None:
        seat = self._owners.get(route)
        self._close(route)
        if seat is not None:
            self._lose_route(seat, route, now)
            if seat.selected is None:
                self._lose(seat)

    def _lose_route(self, seat: Seat, route: Route, now: float) -> None:
        self._owners.pop(route, None)
        if seat.lose(route) and seat.selected is not None:
            self._listener.moved(seat, seat.selected)
            self.resume(seat, now)

    def _close(self, route: TcpRoute) -> None:
        if self._connections.pop(route, None) is not None:
            self._selector.unregister(route.socket)
            route.close()
