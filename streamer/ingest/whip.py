"""Publishers over WebRTC: browsers, OBS and whoever else speaks WHIP (RFC 9725).

Whoever publishes is answered at once; media has a thread of its own from the handshake on, `rtp_session.py`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence

from streamer.errors import AlreadyPublished, StreamerError
from streamer.hub.sessions import Endings, Errands
from streamer.hub.stream import IngestStatus, Stream
from streamer.ingest.rtp_session import LEFT, Phase, RtpSession
from streamer.ingest.succession import may_be_taken
from transport.errors import LinkError
from transport.plane.events import PeerEvent, PlaneEvents
from transport.plane.interface import AddressLearned, ConsentLost, DtlsReceived, Plane
from transport.webrtc import answer
from transport.webrtc.answer import LocalParameters
from transport.webrtc.certificate import ServerCertificate, fresh_certificate, profiles_of
from transport.webrtc.dtls import DtlsSession, SrtpKeys
from transport.webrtc.offered import NoUsableCodec
from transport.webrtc.offers import read_offer
from transport.webrtc.receiving import receive
from transport.webrtc.wire import Candidate, parse_trickle_fragment

_log = logging.getLogger(__name__)

_HANDSHAKE_S = 30.0


class NoSuchPublisher(StreamerError):
    """A session that has ended, or never was."""


class Untakable(StreamerError):
    """What somebody wants to publish cannot be taken; says what could."""


class Stopping(StreamerError):
    """The server takes nobody more."""


class WhipIngest:
    """Everybody who publishes over WebRTC. Event loop only, except where said.

    Args:
        plane: whose port they send to.
        events: the plane's.
        candidates: every answer's candidates, the preferred one first.
    """

    def __init__(self, plane: Plane, events: PlaneEvents, candidates: Sequence[Candidate]) -> None:
        self._plane = plane
        self._events = events
        self._candidates = tuple(candidates)
        self._loop = asyncio.get_running_loop()
        self._by_key: dict[str, RtpSession] = {}
        self._by_peer: dict[int, RtpSession] = {}
        self._connecting: dict[Stream, RtpSession] = {}
        self._endings = Endings()
        self._errands = Errands("a publisher's session")
        self._is_draining = False

    def join(self, stream: Stream, offer_sdp: str, *, address: str, user_agent: str) -> RtpSession:
        """Take a publisher: agree on codecs, answer. `prefer` it once it is let in.

        Args:
            stream: what to publish.
            offer_sdp: the publisher's.
            address: where it asks from, for people.
            user_agent: what it calls itself.

        Raises:
            WireError: the offer cannot be used.
            Untakable: the stream is not published but pulled, or the offer lacks what can be taken.
            AlreadyPublished: somebody publishes.
            Stopping: the server does.
        """
        if self._is_draining:
            raise Stopping("the server is stopping")
        if not stream.config.is_published:
            raise Untakable(f"{stream.name!r} is pulled from its source")
        publisher = stream.publisher
        if publisher is not None and not may_be_taken(publisher):
            raise AlreadyPublished(stream.name, publisher.address)
        certificate = fresh_certificate()
        local = LocalParameters.fresh(certificate.fingerprint, self._candidates)
        try:
            receiving = receive(read_offer(offer_sdp), local)
        except NoUsableCodec as error:
            raise Untakable(str(error)) from None
        peer = self._plane.peer(local.ufrag, local.pwd, collects=True)
        session = RtpSession(stream, peer, receiving, address, user_agent, self.stopper)
        self._add(session, certificate)
        return session

    def prefer(self, session: RtpSession) -> None:
        """Whoever else was about to publish the stream gives way to this one, which may."""
        if session.phase is not Phase.CONNECTING:
            return
        before = self._connecting.get(session.stream)
        if before is not None:
            self.leave(before, "it began anew before it was connected")
        self._connecting[session.stream] = session

    def restart(self, session: RtpSession, fragment_text: str) -> str | None:
        """Take a PATCH's fragment.

        Returns:
            The answer to an ICE restart; None for trickled candidates, which need none: the publisher's
            address is learned from its checks.

        Raises:
            WireError: not a fragment.
        """
        fragment = parse_trickle_fragment(fragment_text)
        if not fragment.ufrag or fragment.ufrag == session.remote_ufrag:
            return None
        local = LocalParameters.fresh(fresh_certificate().fingerprint, self._candidates)
        session.peer.set_credentials(local.ufrag, local.pwd)
        session.restarted(fragment.ufrag)
        return answer.serialize_restart(session.receiving.media_line, session.receiving.mids, local)

    def end(self, key: str, is_meant: Callable[[RtpSession], None]) -> None:
        """End a session because its publisher asks for that.

        OBS closes its connection first and wants to hear afterwards that it ended; so who left is no error.

        Args:
            key: of the session.
            is_meant: raises if the request is not for this session; not called for one that has ended.

        Raises:
            NoSuchPublisher: it has ended for another reason, or never was.
        """
        if self._endings.reason(key) == LEFT:
            return
        session = self.by_key(key)
        is_meant(session)
        self.leave(session, LEFT)

    def leave(self, session: RtpSession, reason: str) -> None:
        """End a session and tell the publisher. Idempotent; the goodbye is sent soon after."""
        if self._by_key.pop(session.key, None) is None:
            return
        del self._by_peer[session.peer.id]
        self._events.leave(session.peer)
        if self._connecting.get(session.stream) is session:
            del self._connecting[session.stream]
        self._endings.note(session.key, reason)
        session.end(reason)
        self._errands.run(self._say_goodbye(session))

    def stopper(self, session: RtpSession, reason: str) -> None:
        """As `leave`. Any thread; returns at once."""
        try:
            self._loop.call_soon_threadsafe(self.leave, session, reason)
        except RuntimeError:  # the event loop is closed, and with it everything
            pass

    def by_key(self, key: str) -> RtpSession:
        """The publisher behind a WHIP session.

        Raises:
            NoSuchPublisher: it has ended, or never was.
        """
        try:
            return self._by_key[key]
        except KeyError:
            raise NoSuchPublisher(self._endings.describe(key)) from None

    async def close(self, reason: str, timeout_s: float) -> None:
        """Take nobody more and tell everybody goodbye."""
        self._is_draining = True
        for session in list(self._by_key.values()):
            self.leave(session, reason)
        await self._errands.settle(timeout_s)
        await self._errands.cancel()

    def _add(self, session: RtpSession, certificate: ServerCertificate) -> None:
        session.dtls = DtlsSession(
            session.peer,
            certificate,
            session.receiving.fingerprints,
            role=session.receiving.role,
            profiles=profiles_of(session.stream.config.encryption.key_bytes),
            on_closed=lambda: self.leave(session, LEFT),
        )
        self._by_key[session.key] = session
        self._by_peer[session.peer.id] = session
        self._events.follow(session.peer, self._take)
        self._errands.run(self._run(session))

    def _take(self, event: PeerEvent) -> None:
        session = self._by_peer[event.peer.id]
        match event:
            case DtlsReceived():
                session.dtls.datagram(event.data)
            case AddressLearned():
                session.dtls.address_learned()
            case ConsentLost() if session.phase is Phase.CONNECTING:
                self._failed(session, LinkError("timeout", "it stopped answering"))
            case ConsentLost():
                self.leave(session, "it stopped answering")

    async def _run(self, session: RtpSession) -> None:
        try:
            keys = await session.dtls.handshake(_HANDSHAKE_S)
        except LinkError as error:
            if session.phase is not Phase.ENDED:
                self._failed(session, error)
            return
        if session.phase is Phase.ENDED:  # in the same moment
            return
        if self._connecting.get(session.stream) is session:
            del self._connecting[session.stream]
        session.phase = Phase.LIVE
        _log.info(
            "%s: publisher connected over %s, %s",
            session.stream.name,
            session.peer.protocol,
            keys.profile.value,
            extra={"session": session.id},
        )
        self.leave(session, await self._served(session, keys))

    def _failed(self, session: RtpSession, error: LinkError) -> None:
        why = _why(session, error)
        if session.stream.publisher is None:
            session.stream.ingest = IngestStatus("waiting", f"{session.address}: {why}")
        _log.warning("%s: publisher %s", session.stream.name, why, extra={"session": session.id})
        self.leave(session, why)

    async def _served(self, session: RtpSession, keys: SrtpKeys) -> str:
        """Wait for a thread of its own: those of the loop's executor are few, and this one stays."""
        done: asyncio.Future[str] = self._loop.create_future()

        def serve() -> None:
            reason = session.serve(keys)
            try:
                self._loop.call_soon_threadsafe(_finish, done, reason)
            except RuntimeError:  # the event loop is closed
                pass

        try:
            threading.Thread(target=serve, name=f"whip {session.id}", daemon=True).start()
        except RuntimeError as error:
            _log.error("%s: no thread for a publisher: %s", session.stream.name, error)
            return "the server has no thread for it"
        return await done

    async def _say_goodbye(self, session: RtpSession) -> None:
        await session.dtls.close()
        session.peer.close(bye=False)


def _finish(done: asyncio.Future[str], reason: str) -> None:
    if not done.done():
        done.set_result(reason)


def _why(session: RtpSession, error: LinkError) -> str:
    if session.peer.address is None:
        return "no packet of it arrived; is the WebRTC port reachable, and [webrtc] advertise right?"
    if error.reason == "unsupported" and session.stream.config.encryption:
        floor = session.stream.config.encryption
        return f'the stream demands encryption = "{floor}", which it does not offer: {error}'
    return f"could not connect: {error}"
