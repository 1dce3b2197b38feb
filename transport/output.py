"""What every outgoing push looks like, RTMP(S) or SRT; `push.push_to(url, key, options)` makes one.

A push is one connection to one destination, used once: `connect`, many `write`, `close`. It has no thread of
its own and is used from the event loop's; `write` never waits and never grows: what the network does not take
is dropped up to the next keyframe, and counted. Whoever owns it reconnects by making another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from transport.errors import LinkError
from transport.media import AccessUnit, Track


@dataclass(frozen=True, slots=True)
class PushOptions:
    """How to push.

    Attributes:
        start_ms: where the output's time begins; the position of an earlier push to continue it.
        connect_timeout_s: for the connection with its handshakes (TCP, TLS, RTMP or SRT), all together.
        command_timeout_s: for the server's answers to what is asked of it once connected, all together.
        stall_timeout_s: a peer that takes nothing for so long, while something waits, is given up.
        close_timeout_s: how long the end may take to be sent; over SRT the receiver's latency comes on top.
        max_queued_bytes: what may wait in this process for the network.
        max_lag_s: how old what the other side has not got may be before pictures are dropped; over SRT its
            latency decides that.
        ca_file: certificates to check the server's with, PEM; "" for the system's.
        enhanced: H.265 may be sent over RTMP, in the way of Enhanced RTMP.
    """

    start_ms: int = 0
    connect_timeout_s: float = 10.0
    command_timeout_s: float = 10.0
    stall_timeout_s: float = 6.0
    close_timeout_s: float = 2.0
    max_queued_bytes: int = 4 << 20
    max_lag_s: float = 8.0
    ca_file: str = ""
    enhanced: bool = False


@dataclass(frozen=True, slots=True)
class PushStatistics:
    """What has gone out so far; counters only grow.

    Attributes:
        bitrate_bps: media sent, over about the last second.
        bytes_sent: media given to the network, protocol included.
        pictures_sent: coded pictures.
        pictures_dropped: left out because the network was too slow, and those that depend on them.
        keyframes_sent: of the pictures sent.
        sounds_sent: coded audio frames.
        sounds_dropped: as for pictures.
        queued_bytes: wait in this process.
        unacknowledged_bytes: are on the way or wait in the kernel; None where the system does not tell.
        lag_s: how old the oldest of it is that has not arrived, to half a second; 0 for nothing.
        rtt_ms: smoothed round trip; None where the system does not tell.
        position_ms: the output's time after the last unit.
        encryption: such as "TLSv1.3" or "AES-128", "none" in clear.
        peer: the address it goes to, "host:port".
    """

    bitrate_bps: int = 0
    bytes_sent: int = 0
    pictures_sent: int = 0
    pictures_dropped: int = 0
    keyframes_sent: int = 0
    sounds_sent: int = 0
    sounds_dropped: int = 0
    queued_bytes: int = 0
    unacknowledged_bytes: int | None = None
    lag_s: float = 0.0
    rtt_ms: float | None = None
    position_ms: int = 0
    encryption: str = "none"
    peer: str = ""


class Push(Protocol):
    """One outgoing connection. Event loop only."""

    async def connect(self) -> None:
        """Connect and be allowed to send; call once. Cancelling it closes everything.

        Raises:
            LinkError: `unreachable` (no such name, no route), `refused` (nothing listens, or the server says
                no), `unauthorized` (the key), `occupied` (somebody publishes there already), `not_found` (the
                application), `certificate` (wrong, for another host, expired: the text says which),
                `timeout`, `unsupported` (the answer is not the protocol), `ended` (hung up meanwhile).
            StateError: called twice.
        """
        ...

    def accepts(self, track: Track) -> bool:
        """Whether the destination takes this track as it is; units of others are left out."""
        ...

    def write(self, unit: AccessUnit) -> None:
        """Send one unit, or drop it; never waits, and does nothing once the connection is over.

        Output begins at a keyframe, or at any sound where no picture track was announced; what comes before
        is left out. Its time begins at `start_ms` and keeps the units' distances. A gap or a jump back of
        more than a few seconds in the units' time is replaced by the time that passed since the last unit.
        """
        ...

    def splice(self) -> None:
        """Say that what follows comes from another source, with a clock of its own.

        What is written is left out until a keyframe, which follows the last picture by the time that really
        passed between them (`received_at`). With a picture track announced, sound waits for it too.
        """
        ...

    def announce(self, tracks: tuple[Track, ...]) -> None:
        """Say which tracks will come, at most one of a kind; before `connect`, and again when it changes."""
        ...

    async def ended(self) -> LinkError:
        """Wait until the connection is over.

        Returns:
            Why: `ended` (hung up, or `close`), `timeout` (stalled), `refused`, `unauthorized` or `occupied`
            (the server sends us away), `unsupported`.
        """
        ...

    async def close(self) -> None:
        """Say goodbye in the protocol's way and close, within the time for that. Idempotent."""
        ...

    def statistics(self) -> PushStatistics:
        """How it goes."""
        ...
