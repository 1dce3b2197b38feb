"""A plane that sends nothing and remembers everything; a test makes its events."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from transport.media import AccessUnit, Codec
from transport.plane.delays import BUCKETS, Counts
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
    SrtpProfile,
    Subscription,
)
from transport.plane.srtp import Opener


class FakeFeed:
    def __init__(self, plane: FakePlane, codec: Codec, clock_rate: int, *, sealed: bool) -> None:
        self.codec = codec
        self.sealed = sealed
        self.clock_rate = clock_rate
        self.units: list[AccessUnit] = []
        self.closed = False
        self._plane = plane

    def write(self, unit: AccessUnit) -> None:
        if self._plane.fails_to_write:
            raise RuntimeError("this feed is broken")
        self.units.append(unit)

    def close(self) -> None:
        self.closed = True


class FakePeer:
    def __init__(self, plane: FakePlane, id: int, ufrag: str, *, collects: bool) -> None:
        self.id = id
        self.ufrags = [ufrag]
        self.address: tuple[str, int] | None = None
        self.protocol = ""
        self.profile: SrtpProfile | None = None
        self.subscriptions: list[tuple[Feed, Subscription]] = []
        self.sent: list[bytes] = []
        self.inbox = Inbox() if collects else None
        self.is_silent = False  # until what it was subscribed to last begins
        self.closed: bool | None = None  # whether with a goodbye, once it is
        self._plane = plane

    @property
    def datagrams_dropped(self) -> int:
        return self.inbox.dropped if self.inbox else 0

    @property
    def datagrams_refused(self) -> int:
        return self.inbox.refused if self.inbox else 0

    def feed(self, ssrc: int) -> Feed:
        """What a subscription carries now."""
        return next(feed for feed, taken in reversed(self.subscriptions) if taken.ssrc == ssrc)

    def set_credentials(self, ufrag: str, pwd: str) -> None:
        self.ufrags.append(ufrag)

    def set_keys(self, profile: SrtpProfile, tx: bytes, rx: bytes) -> None:
        self.profile = profile

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def open_with(self, profile: SrtpProfile, key: bytes) -> None:
        assert self.inbox is not None
        self.inbox.open_with(Opener(profile, key))

    def take(self, most: int, seconds: float, pause: float = 0.0) -> list[tuple[bytes, float]]:
        if self.inbox is None:
            raise ValueError("nothing is collected of a viewer")
        return self.inbox.take(most, seconds, pause)

    def subscribe(self, feed: Feed, subscription: Subscription, *, meanwhile: bool = True) -> None:
        assert isinstance(feed, FakeFeed)
        assert not feed.closed
        self.is_silent = not meanwhile
        self.subscriptions.append((feed, subscription))

    def close(self, *, bye: bool = True) -> None:
        self.closed = bye if self.closed is None else self.closed
        if self.inbox is not None:
            self.inbox.close()
        self._plane.peers.pop(self.id, None)


class FakePlane:
    """See `transport.plane.interface.Plane`.

    Attributes:
        feeds: all that were made.
        peers: those that are not closed.
        fails_to_make: the codec whose feed cannot be made.
        fails_to_write: every feed is broken.
    """

    name = "fake"
    cipher = "none"

    def __init__(self) -> None:
        self.delays = np.zeros(BUCKETS, dtype=np.uint64)
        self.feeds: list[FakeFeed] = []
        self.peers: dict[int, FakePeer] = {}
        self.fails_to_make: Codec | None = None
        self.fails_to_write = False
        self.counters: dict[int, dict[str, float]] = {}
        self._ids = itertools.count(1)
        self._events: list[Event] = []
        self._readable, self._writable = os.pipe()

    @property
    def open_feeds(self) -> list[FakeFeed]:
        return [feed for feed in self.feeds if not feed.closed]

    def happens(self, *events: Event) -> None:
        """Let the egress see events."""
        self._events += events
        os.write(self._writable, b"x")

    def learned(self, peer: Peer, protocol: str = "udp") -> None:
        assert isinstance(peer, FakePeer)
        peer.address, peer.protocol = ("192.0.2.9", 50_000), protocol
        self.happens(AddressLearned(peer, peer.address, protocol))

    def collected(self, peer: Peer, *datagrams: bytes) -> None:
        """A publisher sent RTP or RTCP."""
        assert isinstance(peer, FakePeer) and peer.inbox is not None
        for datagram in datagrams:
            peer.inbox.put(datagram, time.monotonic())

    def lost(self, peer: Peer) -> None:
        assert isinstance(peer, FakePeer)
        if peer.inbox is not None:
            peer.inbox.end()
        self.happens(ConsentLost(peer))

    def dtls(self, peer: Peer, data: bytes) -> None:
        self.happens(DtlsReceived(peer, data))

    def keyframe(self, feed: Feed) -> None:
        self.happens(KeyframeWanted(feed))

    def feed(self, codec: Codec, clock_rate: int, *, epoch_s: float, sealed: bool = False) -> FakeFeed:
        if codec is self.fails_to_make:
            raise RuntimeError("no feed for you")
        self.feeds.append(FakeFeed(self, codec, clock_rate, sealed=sealed))
        return self.feeds[-1]

    def peer(self, ufrag: str, pwd: str, *, collects: bool = False) -> FakePeer:
        peer = FakePeer(self, next(self._ids), ufrag, collects=collects)
        self.peers[peer.id] = peer
        return peer

    def poll(self) -> Sequence[Event]:
        os.read(self._readable, 4096)
        events, self._events = self._events, []
        return events

    def fileno(self) -> int:
        return self._readable

    def snapshot(self) -> npt.NDArray[np.void]:
        rows = np.zeros(len(self.peers), COUNTERS)
        for row, peer_id in zip(rows, self.peers, strict=True):
            row["peer_id"] = peer_id
            for name, value in self.counters.get(peer_id, {}).items():
                row[name] = value
        return rows

    def send_delays(self) -> Counts:
        return self.delays.copy()

    def close(self) -> None:
        for peer in self.peers.values():
            if peer.inbox is not None:
                peer.inbox.close()
        os.close(self._readable)
        os.close(self._writable)
