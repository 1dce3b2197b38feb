"""The media plane in Python: the oracle for the native one, and what runs where there is none.

The objects here are what callers hold; they check arguments in the caller's thread and hand the rest to the
plane's own (`loop.py`). From there: `ice.py` and `stun.py` prove addresses, `source.py` and `history.py` hold
packetised media, `outgoing.py` and `timeline.py` decide what one viewer gets, `viewer.py` encrypts it,
answers RTCP and repairs losses. `inbox.py` keeps what a publisher sends.
"""

from __future__ import annotations

import itertools
import os
import secrets
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from transport.media import AccessUnit, Codec
from transport.plane.arguments import check_keys, check_options, check_payload_types, credential_bytes
from transport.plane.claims import Claims
from transport.plane.delays import Counts
from transport.plane.inbox import Inbox
from transport.plane.interface import (
    COUNTERS,
    AddressLearned,
    ConsentLost,
    DtlsReceived,
    Event,
    Feed,
    KeyframeWanted,
    Peer,
    PlaneOptions,
    SrtpProfile,
    Subscription,
)
from transport.plane.loop import Clocks, Listener, PlaneLoop
from transport.plane.outgoing import extension_block
from transport.plane.routes import Route
from transport.plane.seat import Seat
from transport.plane.source import Source
from transport.plane.srtp import Opener
from transport.plane.viewer import Viewer

#: Of one peer: more than any handshake sends before it waits for an answer.
_MAX_DTLS_UNREAD = 32
_MAX_RTP_OFFSET = 1 << 31
_row = attrgetter(*(COUNTERS.names or ())[1:])


class ReferenceFeed:
    """See `interface.Feed`."""

    def __init__(
        self,
        source: Source,
        loop: PlaneLoop,
        clock: Callable[[], float],
        on_close: Callable[[Source], None],
    ) -> None:
        self.source = source
        self._loop = loop
        self._clock = clock
        self._on_close = on_close

    @property
    def clock_rate(self) -> int:
        """Ticks per second of the RTP timestamps."""
        return self.source.clock_rate

    @property
    def codec(self) -> Codec:
        """What it carries."""
        return self.source.codec

    def write(self, unit: AccessUnit) -> None:
        """Packetise one unit and wake the plane's thread.

        A unit that cannot be packetised is counted and left out.

        Raises:
            ValueError: a unit of another codec.
        """
        if self.source.write(unit, self._clock()):
            self._loop.written(self.source)

    def close(self) -> None:
        """Forget the history and every subscription. Idempotent."""
        if not self.source.closed:
            self.source.close()
            self._on_close(self.source)
            self._loop.call(lambda now: self._loop.forget_feed(self.source, now))


class ReferencePeer:
    """See `interface.Peer`."""

    def __init__(
        self, seat: Seat, loop: PlaneLoop, options: PlaneOptions, on_close: Callable[[int], None]
    ) -> None:
        self._seat = seat
        self._loop = loop
        self._options = options
        self._on_close = on_close
        self._claims = Claims()
        self._is_closed = False

    @property
    def id(self) -> int:
        """Unique for the plane's life."""
        return self._seat.viewer.id

    @property
    def address(self) -> tuple[str, int] | None:
        """Where it is sent to, None until a STUN check passed."""
        route = self._seat.selected
        return None if route is None else route.address

    @property
    def protocol(self) -> str:
        """How it is reached: "udp", "tcp", or "" while unknown."""
        route = self._seat.selected
        return "" if route is None else route.protocol

    @property
    def datagrams_dropped(self) -> int:
        """Datagrams of a publisher that found no room."""
        return 0 if self._seat.inbox is None else self._seat.inbox.dropped

    @property
    def datagrams_refused(self) -> int:
        """Datagrams of a publisher that could not be opened."""
        return 0 if self._seat.inbox is None else self._seat.inbox.refused

    def set_credentials(self, ufrag: str, pwd: str) -> None:
        """ICE restart: accept checks under new local credentials too.

        Raises:
            ValueError: the ufrag belongs to another viewer, one of the two is too long, or this viewer was
                closed.
        """
        if self._is_closed:
            raise ValueError("this viewer was closed")
        credential_bytes(ufrag, pwd)
        self._loop.set_credentials(self._seat, ufrag, pwd)

    def set_keys(self, profile: SrtpProfile, tx: bytes, rx: bytes) -> None:
        """Start SRTP.

        Raises:
            ValueError: a key whose length does not fit the profile.
        """
        check_keys(profile, tx, rx)

        def start(now: float) -> None:
            self._seat.viewer.set_keys(profile, tx, rx)
            self._loop.resume(self._seat, now)

        self._loop.call(start)

    def send(self, data: bytes) -> None:
        """Send one datagram as it is to the current address: DTLS, or RTCP that is already protected.

        It is dropped while there is no address.
        """
        self._loop.call(lambda _: self._loop.send(self._seat, data))

    def open_with(self, profile: SrtpProfile, key: bytes) -> None:
        """Open what a publisher sent; see `interface.Peer`."""
        if self._seat.inbox is None:
            raise ValueError("nothing is collected of a viewer")
        self._seat.inbox.open_with(Opener(profile, key))

    def take(self, most: int, seconds: float, pause: float = 0.0) -> list[tuple[bytes, float]]:
        """Wait for what a publisher sent; see `interface.Peer`."""
        if self._seat.inbox is None:
            raise ValueError("nothing is collected of a viewer")
        return self._seat.inbox.take(most, seconds, pause)

    def subscribe(self, feed: Feed, subscription: Subscription, *, meanwhile: bool = True) -> None:
        """Send this feed to the viewer, or move the subscription with this ssrc to it.

        Raises:
            ValueError: a feed of another plane, a header extension that does not fit, an ssrc that another
                subscription of this peer uses, or a move to another codec or clock rate.
        """
        if not isinstance(feed, ReferenceFeed):
            raise ValueError("a feed of another plane")
        extension_block(subscription, self._options)
        check_payload_types(subscription)
        self._claims.claim(subscription, feed)

        def attach(now: float) -> None:
            if not self._seat.is_over:
                viewer = self._seat.viewer
                outgoing = viewer.subscribe(subscription, feed.source, now, meanwhile=meanwhile)
                self._loop.attach(outgoing, self._seat, now)

        self._loop.call(attach)

    def close(self, *, bye: bool = True) -> None:
        """Stop sending, with an RTCP BYE first when asked. Idempotent."""
        self._is_closed = True
        self.close_inbox()
        self._on_close(self.id)
        self._loop.call(lambda now: self._loop.remove(self._seat, now, bye=bye))

    def close_inbox(self) -> None:
        """Let nobody wait for a publisher any more."""
        if self._seat.inbox is not None:
            self._seat.inbox.close()


class ReferencePlane:
    """See `interface.Plane`.

    Args:
        udp: bound sockets, 16 at most; the plane closes them.
        tcp: listening sockets, as `udp`.
        options: limits and times.
        clock: monotonic seconds; a test may bring its own.
        wall_clock: seconds since 1970, for sender reports.
    """

    def __init__(
        self,
        udp: list[socket.socket],
        tcp: list[socket.socket],
        options: PlaneOptions,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        check_options(options)
        self._options = options
        self._clock = clock
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._peers: dict[int, ReferencePeer] = {}
        self._seats: dict[int, Seat] = {}
        self._feeds: dict[Source, ReferenceFeed] = {}
        self._offsets: dict[int, int] = {}
        self._events: deque[Event] = deque()
        self._moved: dict[int, AddressLearned] = {}
        self._dtls_unread: Counter[int] = Counter()
        self._events_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._is_closed = False
        listener = Listener(self._on_dtls, self._on_moved, self._on_keyframe_wanted, self._on_lost)
        self._loop = PlaneLoop(udp, tcp, options.consent_s, Clocks(clock, wall_clock), listener)
        self._loop.start()

    @property
    def name(self) -> str:
        """Which implementation this is."""
        return "python"

    @property
    def cipher(self) -> str:
        """Whose AES-GCM runs."""
        return "libsrtp"

    @property
    def garbage(self) -> int:
        """Datagrams ignored so far: malformed, not authentic, or from strangers."""
        return self._loop.garbage

    def feed(self, codec: Codec, clock_rate: int, *, epoch_s: float, sealed: bool = False) -> Feed:
        """Make a feed; every unit goes as it is.

        Raises:
            ValueError: a codec that WebRTC does not carry.
        """
        with self._lock:
            offset = self._offsets.setdefault(clock_rate, secrets.randbelow(_MAX_RTP_OFFSET))
        source = Source(codec, clock_rate, epoch_s, offset, self._options)
        feed = ReferenceFeed(source, self._loop, self._clock, self._forget_feed)
        with self._lock:
            self._feeds[source] = feed
        return feed

    def peer(self, ufrag: str, pwd: str, *, collects: bool = False) -> Peer:
        """Make a viewer, or a publisher, that has `consent_s` to prove itself.

        Raises:
            ValueError: the ufrag is in use.
        """
        credential_bytes(ufrag, pwd)
        now = self._clock()
        viewer = Viewer(next(self._ids), self._options, now)
        seat = Seat(viewer, now + self._options.consent_s, Inbox() if collects else None)
        peer = ReferencePeer(seat, self._loop, self._options, self._forget_peer)
        with self._lock:
            self._peers[peer.id] = peer
            self._seats[peer.id] = seat
        try:
            self._loop.add(seat, ufrag, pwd)
        except ValueError:
            self._forget_peer(peer.id)
            raise
        if self._is_closed:  # meanwhile, and so that `close` may not have seen it
            peer.close_inbox()
        return peer

    def poll(self) -> Sequence[Event]:
        """Take the events since the last call; never waits."""
        if self._is_closed:
            return ()
        try:
            # First, so that an event that is added meanwhile makes it readable again.
            os.eventfd_read(self._events_fd)
        except BlockingIOError:
            return ()
        with self._lock:
            # Where a peer is comes before what it says from there.
            events = [*self._moved.values(), *self._events]
            self._moved.clear()
            self._events.clear()
            self._dtls_unread.clear()
        return events

    def fileno(self) -> int:
        """Readable while `poll` has something."""
        return self._events_fd

    def snapshot(self) -> npt.NDArray[np.void]:
        """Counters of all peers at one moment, dtype `COUNTERS`."""
        with self._lock:
            rows = [(peer_id, *_row(seat.viewer.counters)) for peer_id, seat in self._seats.items()]
        return np.array(rows, dtype=COUNTERS)

    def send_delays(self) -> Counts:
        """See `interface.Plane`."""
        return self._loop.delays.copy()

    def close(self) -> None:
        """Stop the thread and close the sockets. Idempotent; waits for the thread."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            peers = list(self._peers.values())
        for peer in peers:
            peer.close_inbox()
        self._loop.stop()
        os.close(self._events_fd)

    def _emit(self, event: Event) -> None:
        with self._lock:
            self._events.append(event)
        os.eventfd_write(self._events_fd, 1)

    def _on_dtls(self, seat: Seat, datagram: bytes) -> None:
        peer = self._peers.get(seat.viewer.id)
        if peer is None or self._dtls_unread[peer.id] >= _MAX_DTLS_UNREAD:
            return
        with self._lock:
            self._dtls_unread[peer.id] += 1
        self._emit(DtlsReceived(peer, datagram))

    def _on_moved(self, seat: Seat, route: Route) -> None:
        peer = self._peers.get(seat.viewer.id)
        if peer is None:
            return
        with self._lock:
            self._moved[peer.id] = AddressLearned(peer, route.address, route.protocol)
        os.eventfd_write(self._events_fd, 1)

    def _on_keyframe_wanted(self, source: Source) -> None:
        feed = self._feeds.get(source)
        if feed is not None:
            self._emit(KeyframeWanted(feed))

    def _on_lost(self, seat: Seat) -> None:
        peer = self._peers.get(seat.viewer.id)
        if peer is not None:
            self._emit(ConsentLost(peer))

    def _forget_feed(self, source: Source) -> None:
        with self._lock:
            self._feeds.pop(source, None)

    def _forget_peer(self, peer_id: int) -> None:
        with self._lock:
            self._peers.pop(peer_id, None)
            self._seats.pop(peer_id, None)
