"""One publisher over WebRTC: protected RTP in, access units into the stream."""

from __future__ import annotations

import dataclasses
import enum
import logging
import secrets
import threading
import time
from collections.abc import Callable

from streamer.encryption import Leg
from streamer.errors import AlreadyPublished, NoSuchStream
from streamer.hub.stream import Publication, Publisher, Stream
from streamer.ingest.succession import SILENT_S, take_place
from transport.plane.interface import Peer
from transport.plane.srtp import SrtpSession
from transport.rtp.receive import RtpReceiver
from transport.webrtc.dtls import DtlsSession, SrtpKeys
from transport.webrtc.receiving import Receiving

_log = logging.getLogger(__name__)

#: Why a session is over whose publisher ended it.
LEFT = "the publisher left"
#: More than cameras of browsers and OBS send; who sends less is not told to.
_MAX_BITRATE_BPS = 30_000_000
_AT_ONCE = 64
# To wake up costs as much as to take several packets, and those of a picture come within some 15 ms.
_PAUSE_S = 0.02
# How long a thread waits at most that was told to end in the moment before it began to.
_LOOK_S = 0.25
# A browser without an encoder for what was agreed on sends nothing; all others begin within a second.
_BEGINS_S = 4.0


class Phase(enum.StrEnum):
    """Where a publisher is in its life."""

    CONNECTING = "connecting"
    LIVE = "live"
    ENDED = "ended"


class RtpSession:
    """One publisher. `serve` runs in a thread of its own; the rest is the event loop's, except where said.

    Args:
        stream: what it publishes.
        peer: it collects.
        receiving: what was agreed with it.
        address: where it asked from, for people; once there is one, where its media comes from.
        user_agent: what it calls itself.
        stop: ends it from outside, with a reason. Any thread; returns at once.

    Attributes:
        id: for the log and the API.
        key: names the WHIP session; whoever knows it may end it.
        phase: set by whoever keeps the session.
        cipher: SRTP protection profile, "" until agreed.
    """

    def __init__(
        self,
        stream: Stream,
        peer: Peer,
        receiving: Receiving,
        address: str,
        user_agent: str,
        stop: Callable[[RtpSession, str], None],
    ) -> None:
        self.id = secrets.token_hex(4)
        self.key = secrets.token_urlsafe(24)
        self.stream = stream
        self.peer = peer
        self.receiving = receiving
        self.address = address
        self.user_agent = user_agent
        self.phase = Phase.CONNECTING
        self.cipher = ""
        self.remote_ufrag = receiving.remote_ufrag
        self.dtls: DtlsSession
        self._stop = stop
        self._etag = secrets.token_hex(8)
        self._when_ended: Callable[[], None] | None = None
        self._over = threading.Event()
        self._reason = ""
        self._wants_keyframe = False
        self._heard_at = time.monotonic()
        self._live_at = self._heard_at
        self._receiver = RtpReceiver(
            receiving.tracks,
            ssrc=secrets.randbelow(0xFFFFFFFF) + 1,
            max_bitrate_bps=_MAX_BITRATE_BPS,
            transport_cc=receiving.transport_cc,
            now=self._heard_at,
        )

    @property
    def answer(self) -> str:
        """The SDP answer."""
        return self.receiving.answer

    @property
    def etag(self) -> str:
        """Names the ICE session, quoted as HTTP wants it."""
        return f'"{self._etag}"'

    def restarted(self, remote_ufrag: str) -> None:
        """ICE was restarted: another ETag, the publisher's other name."""
        self.remote_ufrag = remote_ufrag
        self._etag = secrets.token_hex(8)

    def when_ended(self, tell: Callable[[], None]) -> None:
        """Have somebody told that it ended, once; at once when it has."""
        if self.phase is Phase.ENDED:
            tell()
        else:
            self._when_ended = tell

    def end(self, reason: str) -> None:
        """Have the thread end, and say why. Idempotent."""
        if self.phase is Phase.ENDED:
            return
        self.phase = Phase.ENDED
        self._reason = reason
        self._over.set()
        if self._when_ended is not None:
            self._when_ended()

    def serve(self, keys: SrtpKeys) -> str:
        """Publish until it is over; why it is. The thread's."""
        self.cipher = keys.profile.value
        self.address = self._seen_at() or self.address
        self._heard_at = self._live_at = time.monotonic()
        self.peer.open_with(keys.profile, keys.rx)
        try:
            publication = take_place(self.stream, self._publisher())
        except (AlreadyPublished, NoSuchStream) as error:
            return str(error)
        reason = "the server failed"
        try:
            reason = self._carry(publication, SrtpSession(keys.profile, keys.tx, keys.rx))
        except Exception:  # one publisher's trouble must stay its own
            _log.exception("%s: publisher failed", self.stream.name, extra={"session": self.id})
        finally:
            publication.close(reason)
        return reason

    def _publisher(self) -> Publisher:
        return Publisher(
            id=self.id,
            protocol="whip",
            address=self.address,
            describe=self.describe,
            warnings=self._warnings,
            stop=lambda: self._stop(self, "the server ended it"),
            encryption=lambda: Leg(_LEGS[self.cipher], "secured", "the SRTP profile of its DTLS handshake"),
            gives_way=self._gives_way,
            request_keyframe=self._request_keyframe,
            moved_to=self._seen_at,
        )

    def _seen_at(self) -> str:
        """Where its media comes from, which may be another network by now; "" while nothing came."""
        address = self.peer.address
        return f"{address[0]}:{address[1]}" if address is not None else ""

    def _warnings(self) -> list[str]:
        if time.monotonic() - self._live_at < _BEGINS_S:
            return []
        return [_SILENT[track.is_video] for track in self._receiver.silent]

    def _gives_way(self) -> bool:
        """Also when it was ended already, and its thread has yet to notice."""
        return self._over.is_set() or time.monotonic() - self._heard_at > SILENT_S

    def _request_keyframe(self) -> None:
        self._wants_keyframe = True

    def _carry(self, publication: Publication, srtp: SrtpSession) -> str:
        receiver, peer = self._receiver, self.peer
        while not self._over.is_set():
            now = time.monotonic()
            until = min(receiver.deadline(now), now + _LOOK_S)
            packets = peer.take(_AT_ONCE, until - now, _PAUSE_S)
            now = time.monotonic()
            if not packets and now < until:
                # Consent is lost, and `take` waits no more; the event loop ends the session when it can.
                self._over.wait(until - now)
                now = time.monotonic()
            for packet, came_at in packets:
                receiver.receive(packet, came_at)
            if packets:
                self._heard_at = now
            if self._wants_keyframe:
                self._wants_keyframe = False
                receiver.request_keyframe()
            for unit in receiver.units(now):
                publication.declare(receiver.tracks)
                publication.write(unit)
            for packet in receiver.feedback(now):
                peer.send(srtp.protect_rtcp(packet))
            if receiver.is_over:
                return LEFT
        return self._reason

    def describe(self) -> dict[str, object]:
        """Statistics for the API. Any thread."""
        return {
            "webrtc": {
                **dataclasses.asdict(self._receiver.counters),
                "refused": self.peer.datagrams_refused,
                "dropped": self.peer.datagrams_dropped,
                "protocol": self.peer.protocol,
                "user_agent": self.user_agent,
            }
        }


_SILENT = {
    True: "The publisher announced a picture and sends none; a browser may lack the encoder for it.",
    False: "The publisher announced sound and sends none.",
}
_LEGS = {"AEAD_AES_256_GCM": "AES-256", "AEAD_AES_128_GCM": "AES-128", "AES128_CM_SHA1_80": "AES-128"}
