"""What a media plane offers, whichever implementation runs.

A plane owns the WebRTC port: it answers STUN, hands DTLS to Python, packetises every track once (`Feed`),
encrypts for every viewer (`Peer`) and repairs losses. `reference.py` is the implementation in Python;
`open_plane` in the package picks the best one that works on this machine.

Threads: `Feed.write` may be called from any thread and never waits for a viewer. Everything else may be
called from any thread too and takes effect soon after; events come out of `Plane.poll`, whose readiness
`Plane.fileno` shows to an event loop.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from transport.media import AccessUnit, Codec
from transport.plane.delays import Counts


class SrtpProfile(enum.Enum):
    """SRTP protection profile; the value is the name OpenSSL and the browsers' statistics use."""

    AEAD_AES_256_GCM = "AEAD_AES_256_GCM"
    AEAD_AES_128_GCM = "AEAD_AES_128_GCM"
    AES128_CM_SHA1_80 = "AES128_CM_SHA1_80"

    @property
    def key_bytes(self) -> int:
        """Length of the master key."""
        return 32 if self is SrtpProfile.AEAD_AES_256_GCM else 16

    @property
    def salt_bytes(self) -> int:
        """Length of the master salt."""
        return 14 if self is SrtpProfile.AES128_CM_SHA1_80 else 12


@dataclass(frozen=True, slots=True)
class Subscription:
    """How one viewer wants one feed on the wire; what its SDP answer said.

    Attributes:
        payload_type: of the media packets.
        ssrc: of the media packets; names the subscription within the peer.
        rtx_payload_type: RFC 4588 payload type, None if the viewer has no RTX.
        rtx_ssrc: of the retransmissions, None if the viewer has no RTX.
        mid: value of the MID header extension.
        mid_extension: its id, 0 if not negotiated.
        playout_delay_extension: id of the playout-delay extension, 0 if not negotiated.
        cname: for SDES.
    """

    payload_type: int
    ssrc: int
    rtx_payload_type: int | None
    rtx_ssrc: int | None
    mid: str
    mid_extension: int
    playout_delay_extension: int
    cname: str


@dataclass(frozen=True, slots=True)
class PlaneOptions:
    """Limits and times of a plane; the defaults suit the open internet.

    Attributes:
        threads: sending threads, 0 for one per core (the Python twin always uses one).
        ipsec_mb: use intel-ipsec-mb where it is installed, not OpenSSL alone (the twin has its own).
        max_payload_bytes: of one RTP payload, without header, extensions and SRTP tag.
        history_s: how long a packet can be retransmitted; never less than the current GOP.
        max_history_bytes: of memory, per feed; the oldest packets go first.
        consent_s: silence after which a viewer is not sent to any more (RFC 7675).
        playout_delay_min_ms: told to browsers that understand the extension, unless their line loses packets:
            then more, see `playout.py`.
        playout_delay_max_ms: as above.
        max_rtx_fraction: of a viewer's bit rate that retransmissions may add, averaged over a second.
    """

    threads: int = 0
    ipsec_mb: bool = True
    max_payload_bytes: int = 1160
    history_s: float = 1.5
    max_history_bytes: int = 64 * 1024 * 1024
    consent_s: float = 30.0
    playout_delay_min_ms: int = 0
    playout_delay_max_ms: int = 1000
    max_rtx_fraction: float = 1.0


@dataclass(frozen=True, slots=True)
class DtlsReceived:
    """A DTLS datagram arrived for this peer, from an address that passed a STUN check.

    It is lost, as on the network, if 32 of the same peer wait to be polled.
    """

    peer: Peer
    data: bytes


@dataclass(frozen=True, slots=True)
class AddressLearned:
    """The viewer's first address, or the one it moved to; if it moved again before it was polled, the last.

    Attributes:
        protocol: "udp" or "tcp".
    """

    peer: Peer
    address: tuple[str, int]
    protocol: str


@dataclass(frozen=True, slots=True)
class KeyframeWanted:
    """At least one viewer cannot decode this feed (PLI or FIR); at most one event a second and feed."""

    feed: Feed


@dataclass(frozen=True, slots=True)
class ConsentLost:
    """A viewer answered nothing for `consent_s`, or its TCP connection ended; nothing more is sent to it."""

    peer: Peer


Event = DtlsReceived | AddressLearned | KeyframeWanted | ConsentLost

#: One row per peer of `Plane.snapshot`. Counters only grow; rates are the reader's business.
COUNTERS = np.dtype(
    [
        ("peer_id", np.uint64),
        ("packets_sent", np.uint64),  # media, without retransmissions
        ("bytes_sent", np.uint64),  # UDP payload, everything
        ("video_bytes", np.uint64),  # RTP payload of pictures, without retransmissions
        ("packets_dropped", np.uint64),  # the socket was full
        ("retransmitted", np.uint64),
        ("rtx_refused", np.uint64),  # over the cap, or too old
        ("nacks", np.uint64),  # sequence numbers asked for
        ("plis", np.uint64),  # PLI and FIR
        ("video_lost", np.int64),  # cumulative, from the last receiver report
        ("audio_lost", np.int64),
        ("video_fraction_lost", np.float32),  # 0-1, of the last report's interval
        ("audio_fraction_lost", np.float32),
        ("video_jitter_ms", np.float32),
        ("audio_jitter_ms", np.float32),
        ("rtt_ms", np.float32),  # 0 while unknown
        ("remb_bps", np.uint64),  # 0 while unknown
        ("last_heard_s", np.float64),  # time.monotonic() of the last valid packet from the viewer
    ],
    align=True,  # as the native plane's `counters` lie
)


class Feed(Protocol):
    """One track, packetised once for all its viewers, with retransmission history."""

    @property
    def clock_rate(self) -> int:
        """Ticks per second of the RTP timestamps."""
        ...

    @property
    def codec(self) -> Codec:
        """What it carries."""
        ...

    def write(self, unit: AccessUnit) -> None:
        """Packetise one unit and send it to every subscribed peer. Any thread; does not wait for viewers."""
        ...

    def close(self) -> None:
        """Forget the history and every subscription. Idempotent."""
        ...


class Peer(Protocol):
    """One viewer, or a publisher whose RTP and RTCP are collected. May exist before its address is known."""

    @property
    def id(self) -> int:
        """Unique for the plane's life; `peer_id` in the snapshot."""
        ...

    @property
    def address(self) -> tuple[str, int] | None:
        """Where it is sent to, None until a STUN check passed."""
        ...

    @property
    def protocol(self) -> str:
        """How it is reached: "udp", "tcp", or "" while unknown."""
        ...

    @property
    def datagrams_dropped(self) -> int:
        """Datagrams of a publisher that were not kept, as too many waited to be taken; of a viewer 0."""
        ...

    @property
    def datagrams_refused(self) -> int:
        """Datagrams of a publisher that could not be opened: not authentic, come before, or too old."""
        ...

    def set_credentials(self, ufrag: str, pwd: str) -> None:
        """ICE restart: accept checks under new local credentials; the old ones stay valid for 30 s more.

        Raises:
            ValueError: another peer's ufrag, or this peer was closed.
        """
        ...

    def set_keys(self, profile: SrtpProfile, tx: bytes, rx: bytes) -> None:
        """Start SRTP. `tx` and `rx` are master key and master salt, concatenated.

        Raises:
            ValueError: a key whose length does not fit the profile.
        """
        ...

    def send(self, data: bytes) -> None:
        """Send one datagram as it is to the current address: DTLS, or RTCP that is already protected.

        It is dropped while there is no address.
        """
        ...

    def open_with(self, profile: SrtpProfile, key: bytes) -> None:
        """Have `take` open what a publisher sent, SRTP and SRTCP, also what is there already.

        What is not authentic, came before, or is more than 1,023 packets behind the newest of its source is
        left out and counted. Only the first key counts; nothing that is sent is protected with it.

        Args:
            profile: as agreed on.
            key: the publisher's master key and master salt, concatenated.

        Raises:
            ValueError: a peer that does not collect, or a key whose length does not fit the profile.
        """
        ...

    def take(self, most: int, seconds: float, pause: float = 0.0) -> list[tuple[bytes, float]]:
        """Wait for RTP and RTCP of a publisher, and take it: as it came, or opened after `open_with`.

        One thread at a time; it need not be the event loop's. It waits without Python's lock.

        Args:
            most: take so many at once, 1 or more.
            seconds: how long to wait while nothing is there; 0 or less only looks.
            pause: from when something was taken until it is taken again, in seconds, unless `most` are there
                before, an RTP packet with the marker, which ends a picture, or RTCP. Who is woken for every
                datagram pays more for that than for what is in them. Nobody waits for longer than `seconds`
                because of it.

        Returns:
            Datagrams in the order of arrival, each with the plane's time of it (time.monotonic()). None when
            the time has passed; at once, and from then on, when the peer or the plane was closed, or consent
            was lost and the last datagram was taken.

        Raises:
            ValueError: a peer that does not collect, or `most` below 1.
            StateError: another thread takes.
        """
        ...

    def subscribe(self, feed: Feed, subscription: Subscription, *, meanwhile: bool = True) -> None:
        """Send this feed to the viewer.

        Video starts with the current GOP from its keyframe (or waits for the next keyframe), audio with the
        next unit. A second call with the same `subscription.ssrc` and another feed moves the subscription:
        sequence numbers go on, and the new feed starts at a keyframe.

        Args:
            feed: what to send.
            subscription: how.
            meanwhile: whether the feed before is sent until the new one can begin. Where the line is full,
                silence lets it empty; what was sent before is not sent again either.
        """
        ...

    def close(self, *, bye: bool = True) -> None:
        """Stop sending, with an RTCP BYE first when asked. Idempotent."""
        ...


class Plane(Protocol):
    """Owns the port and the threads behind it."""

    @property
    def name(self) -> str:
        """Which implementation this is: "python" or "native"."""
        ...

    @property
    def cipher(self) -> str:
        """Whose AES-GCM runs: "libsrtp", "openssl" or "ipsec-mb"."""
        ...

    def feed(self, codec: Codec, clock_rate: int, *, epoch_s: float, sealed: bool = False) -> Feed:
        """Make a feed.

        Args:
            codec: what will be written.
            clock_rate: of the RTP timestamps; units on another clock are converted.
            epoch_s: wall-clock time (seconds since 1970) of the units' pts 0; every feed of a stream shares
                it, which is what keeps sound and picture together (sender reports, RFC 3550 6.4.1).
            sealed: units are encrypted from end to end, so every one has to arrive as it is. Of others a
                plane with many viewers may send two Opus packets that are written together as one.
        """
        ...

    def peer(self, ufrag: str, pwd: str, *, collects: bool = False) -> Peer:
        """Make a viewer, or a publisher, that will prove itself with these local ICE credentials.

        Args:
            ufrag: user name fragment; no other peer has it.
            pwd: password.
            collects: it is a publisher (WHIP, RFC 9725). What comes from its proved addresses as RTP or RTCP
                is kept for `Peer.take`: 2,048 datagrams (4 MiB) at most, then the newest are dropped. It is
                authenticated when it is taken, if at all, so it proves neither an address nor consent; only
                STUN does.
        """
        ...

    def poll(self) -> Sequence[Event]:
        """Take the events since the last call; never waits."""
        ...

    def fileno(self) -> int:
        """Readable while `poll` has something."""
        ...

    def snapshot(self) -> npt.NDArray[np.void]:
        """Counters of all peers at one moment, dtype `COUNTERS`."""
        ...

    def send_delays(self) -> Counts:
        """From a unit's writing until the kernel has it for every viewer, since the beginning.

        Of a picture so large that it is paced, until the kernel has its first packets.

        Returns:
            Counts by bucket, see `delays.py`.
        """
        ...

    def close(self) -> None:
        """Stop the threads and close the sockets. Idempotent; waits for the threads."""
        ...
