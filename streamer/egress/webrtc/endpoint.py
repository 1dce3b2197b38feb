"""All viewers: joining, leaving, and what the media plane reports. Event loop only, except where said."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamer.egress.webrtc.adapter import Adapter
from streamer.egress.webrtc.keyring import KeyRing
from streamer.egress.webrtc.outputs import Outputs
from streamer.egress.webrtc.tally import Tally
from streamer.egress.webrtc.viewer import Viewer
from streamer.errors import Full, StreamerError, Unplayable
from streamer.hub.patience import wait_until_watchable
from streamer.hub.sessions import Endings, Errands
from streamer.hub.stream import State, Stream
from streamer.sections.webrtc import WebRtcConfig
from transport.errors import LinkError
from transport.plane.events import PeerEvent, PlaneEvents
from transport.plane.interface import AddressLearned, ConsentLost, DtlsReceived, Feed, Plane
from transport.webrtc.certificate import ServerCertificate, fresh_certificate, profiles_of
from transport.webrtc.dtls import DtlsSession
from transport.webrtc.negotiate import LocalParameters, NoCommonCodec, Wanted, negotiate, restart_answer
from transport.webrtc.offers import read_offer
from transport.webrtc.wire import Candidate, parse_trickle_fragment

_log = logging.getLogger(__name__)

# What the H.264 rendition is, for the answer: Constrained Baseline, level 3.1; levels may be exceeded.
_RENDITION_PROFILE = "42e01f"
_HANDSHAKE_S = 30.0
_MEASURE_EVERY_S = 1.0
_BEHIND_S = 0.002
# Sessions that failed, for the API.
_REMEMBERED_FAILURES = 100


class GaveUp(StreamerError):
    """Who asked to watch did not wait until that was possible."""


class NoSuchViewer(StreamerError):
    """A session that has ended, or never was."""


@dataclass(frozen=True, slots=True)
class FailedViewer:
    """Somebody who was answered and then could not connect.

    Attributes:
        at: time.time().
        reason: why, for people.
    """

    id: str
    stream: str
    address: str
    user_agent: str
    at: float
    reason: str


class WebRtcEgress:
    """Viewers over WebRTC.

    Args:
        plane: what encrypts and sends.
        events: the plane's.
        config: limits.
        candidates: every answer's candidates, the preferred one first.

    Attributes:
        failures: the last viewers that could not connect, the latest last.
        released: how often a viewer's handshake or session was let go of, so that memory became free.
        on_connect: told when media go to a viewer for the first time.
        on_leave: told that a viewer's session ended, and why; its counters are of now.
        on_measure: given the plane's counters of all viewers, once a second.
    """

    def __init__(
        self, plane: Plane, events: PlaneEvents, config: WebRtcConfig, candidates: Sequence[Candidate]
    ) -> None:
        self.plane = plane
        self.released = 0
        self.failures: deque[FailedViewer] = deque(maxlen=_REMEMBERED_FAILURES)
        self.on_connect: list[Callable[[Viewer], None]] = []
        self.on_leave: list[Callable[[Viewer, str], None]] = []
        self.on_measure: list[Callable[[npt.NDArray[np.void]], None]] = []
        self._endings = Endings()
        self._config = config
        self._candidates = tuple(candidates)
        self._outputs: dict[Stream, Outputs] = {}
        self._rings: dict[Stream, KeyRing] = {}
        self._by_stream: dict[Stream, set[Viewer]] = defaultdict(set)
        self._by_id: dict[str, Viewer] = {}
        self._by_key: dict[str, Viewer] = {}
        self._by_peer: dict[int, Viewer] = {}
        self._unsettled: set[Viewer] = set()
        self._tally = Tally(plane, self._by_peer)
        self._adapter = Adapter(self._by_peer)
        self._errands = Errands("a viewer's session")
        self._draining = False
        self._loop = asyncio.get_running_loop()
        self._events = events
        self._take_event = self._take  # one for all viewers
        events.on_keyframe.append(self._keyframe_wanted)

    @property
    def candidates(self) -> list[str]:
        """For people: what every answer tells viewers to try."""
        return [f"{c.protocol}/{c.ip}:{c.port}" for c in self._candidates]

    async def run(self) -> None:
        """Measure the viewers when a second of the clock begins, until cancelled."""
        while True:
            # Just behind it: what is counted by the minute then belongs to the one that is over.
            await asyncio.sleep(_MEASURE_EVERY_S - time.time() % _MEASURE_EVERY_S + _BEHIND_S)
            self._tally.measure()
            self._settle()
            self._tell([self._adapter.look], self._tally.snapshot, time.monotonic())
            self._tell(self.on_measure, self._tally.snapshot)

    async def join(
        self,
        stream: Stream,
        offer_sdp: str,
        *,
        user_agent: str,
        signalling: str = "",
        sound_only: bool = False,
        is_waiting: Callable[[], bool] = lambda: True,
    ) -> Viewer:
        """Take a viewer: wait until the stream can be watched, agree on codecs, answer.

        Args:
            stream: what to watch.
            offer_sdp: the viewer's.
            user_agent: what it calls itself.
            signalling: how this exchange travels, for people.
            sound_only: it may hear the stream and not see it.
            is_waiting: whether somebody still waits for the answer; asked when there could be one.

        Raises:
            WireError: the offer cannot be used.
            NotLive: nobody publishes, or the source did not come in time.
            Unplayable: the offer lacks what the stream has.
            Full: no more viewers.
            GaveUp: nobody waits for the answer any more.
            NoSuchStream: its configuration changed while it was waited for.
        """
        self._check_room()
        offer = read_offer(offer_sdp)
        stream.demand.acquire()
        try:
            await wait_until_watchable(stream)
            if not is_waiting():
                raise GaveUp("expected a client that waits for the answer; this one has gone")
            self._check_room()
            certificate = fresh_certificate()
            local = LocalParameters.fresh(certificate.fingerprint, self._candidates)
            renditions = stream.config.renditions == "auto"
            wanted = Wanted(stream.source.video, _RENDITION_PROFILE if renditions else "", sound_only)
            try:
                negotiated = negotiate(offer, wanted, local)
            except NoCommonCodec as error:
                raise Unplayable(str(error)) from None
            outputs = self._outputs.get(stream) or Outputs(self.plane, stream, self.ring(stream))
            peer = self.plane.peer(local.ufrag, local.pwd)
            try:
                viewer = Viewer(stream, outputs, peer, negotiated, user_agent, signalling)
            except BaseException:
                peer.close(bye=False)
                raise
        except BaseException:
            stream.demand.release()
            raise
        # From here on `leave` gives everything back.
        self._outputs[stream] = outputs
        self._add(viewer, certificate)
        return viewer

    def restart(self, viewer: Viewer, fragment_text: str) -> str | None:
        """Take a PATCH's fragment.

        Returns:
            The answer to an ICE restart, None when it was trickled candidates only. Those need no answer: the
            viewer's address is learned from its checks.

        Raises:
            WireError: not a fragment.
        """
        fragment = parse_trickle_fragment(fragment_text)
        if not fragment.ufrag or fragment.ufrag == viewer.remote_ufrag:
            return None
        local = LocalParameters.fresh(fresh_certificate().fingerprint, self._candidates)
        viewer.peer.set_credentials(local.ufrag, local.pwd)
        viewer.restarted(fragment.ufrag)
        return restart_answer(viewer.negotiated, local)

    def leave(self, viewer: Viewer, reason: str) -> None:
        """End a viewer's session and tell it. Idempotent; the goodbye is sent soon after."""
        if self._by_id.pop(viewer.id, None) is None:
            return
        self._tally.depart(viewer)
        self._tell(self.on_leave, viewer, reason)
        del self._by_key[viewer.key], self._by_peer[viewer.peer.id]
        self._events.leave(viewer.peer)
        self._endings.note(viewer.key, reason)
        stream = viewer.stream
        viewers = self._by_stream[stream]
        viewers.discard(viewer)
        self._unsettled.discard(viewer)
        self._adapter.left(viewer, time.monotonic())
        viewer.end()
        self.released += 1
        if not viewers:
            del self._by_stream[stream]
            del self._outputs[stream]
        stream.demand.release()
        _log.info("%s: viewer left: %s", stream.name, reason, extra={"session": viewer.id})
        self._errands.run(self._say_goodbye(viewer))

    def remove(self, viewer: Viewer, reason: str) -> None:
        """End the session of somebody who must not watch any more; the content key it knows ends with it."""
        self.leave(viewer, reason)
        ring = self.ring(viewer.stream)
        if ring is not None:
            ring.revoke(time.monotonic())
            _log.info("%s: another content key takes over", viewer.stream.name)

    def ring(self, stream: Stream) -> KeyRing | None:
        """The content keys of a stream, None when it is not encrypted end to end."""
        config = stream.config
        if not config.e2e:
            return None
        ring = self._rings.get(stream)
        if ring is None:
            ring = KeyRing(config.e2e_key_bytes, config.e2e_rotate_s, time.monotonic())
            self._rings[stream] = ring
        return ring

    def by_key(self, key: str) -> Viewer:
        """The viewer behind a WHEP session.

        Raises:
            NoSuchViewer: it has ended, or never was.
        """
        try:
            return self._by_key[key]
        except KeyError:
            raise NoSuchViewer(self._endings.describe(key)) from None

    def by_id(self, id: str) -> Viewer:
        """The viewer with an id.

        Raises:
            NoSuchViewer: it has ended, or never was.
        """
        try:
            return self._by_id[id]
        except KeyError:
            raise NoSuchViewer(f"there is no viewer {id!r}") from None

    def count(self, stream: Stream) -> int:
        """How many watch a stream."""
        return len(self._by_stream.get(stream, ()))

    def measured(self) -> list[Viewer]:
        """All viewers, their counters as of now."""
        self._tally.measure()
        return list(self._by_id.values())

    def totals(self) -> dict[str, dict[str, float]]:
        """See `Tally.totals`."""
        return self._tally.totals(self._by_stream)

    def stream_changed(self, stream: Stream) -> None:
        """Look again at what a stream's viewers need. Any thread."""
        self._loop.call_soon_threadsafe(self._reassign, stream)

    def stream_removed(self, stream: Stream) -> None:
        """End the sessions of a stream that is no longer configured, or is configured otherwise."""
        self._leave_all(self._viewers(stream), "the stream's configuration changed")
        self._rings.pop(stream, None)

    async def drain(self, reason: str, timeout_s: float) -> None:
        """Take nobody more and tell everybody goodbye."""
        self._draining = True
        self._leave_all(list(self._by_id.values()), reason)
        await self._errands.settle(timeout_s)

    async def close(self) -> None:
        """Give up what still goes on; `drain` comes first."""
        await self._errands.cancel()

    def _check_room(self) -> None:
        if self._draining:
            raise Full("the server is stopping")
        if len(self._by_id) >= self._config.max_viewers:
            raise Full(f"the server has its {self._config.max_viewers} viewers")

    def _add(self, viewer: Viewer, certificate: ServerCertificate) -> None:
        viewer.dtls = DtlsSession(
            viewer.peer,
            certificate,
            viewer.negotiated.fingerprints,
            role=viewer.negotiated.role,
            profiles=profiles_of(viewer.stream.config.encryption.key_bytes),
            on_closed=lambda: self.leave(viewer, "the viewer left"),
        )
        self._by_id[viewer.id] = viewer
        self._by_key[viewer.key] = viewer
        self._by_peer[viewer.peer.id] = viewer
        self._events.follow(viewer.peer, self._take_event)
        self._by_stream[viewer.stream].add(viewer)
        self._unsettled.add(viewer)
        self._errands.run(self._connect(viewer))

    async def _connect(self, viewer: Viewer) -> None:
        try:
            keys = await viewer.dtls.handshake(_HANDSHAKE_S)
        except LinkError as error:
            why = f"could not connect: {error}"
            if viewer.peer.address is None:
                why = "no packet of it arrived; is the WebRTC port reachable, and [webrtc] advertise right?"
            elif error.reason == "unsupported":
                why = _below_floor(viewer, error)
            if error.reason != "ended":
                self._remember(viewer, why)
            self.leave(viewer, why)
            return
        self._adapter.began(viewer, time.monotonic())
        viewer.start(keys)
        self._tell(self.on_connect, viewer)
        _log.info(
            "%s: viewer connected over %s, %s, picture from %s",
            viewer.stream.name,
            viewer.peer.protocol,
            viewer.cipher,
            viewer.video_source or "nowhere",
            extra={"session": viewer.id},
        )

    def _remember(self, viewer: Viewer, reason: str) -> None:
        address = viewer.peer.address
        self.failures.append(
            FailedViewer(
                id=viewer.id,
                stream=viewer.stream.name,
                address=f"{address[0]}:{address[1]}" if address is not None else "",
                user_agent=viewer.user_agent,
                at=time.time(),
                reason=reason,
            )
        )

    async def _say_goodbye(self, viewer: Viewer) -> None:
        await viewer.dtls.close()
        viewer.peer.close(bye=True)

    @staticmethod
    def _tell(listeners: Iterable[Callable[..., None]], *news: object) -> None:
        for listener in listeners:
            try:
                listener(*news)
            except Exception:  # who only looks on must not hurt who watches
                _log.exception("a listener of the viewers failed")

    def _take(self, event: PeerEvent) -> None:
        viewer = self._by_peer[event.peer.id]
        if isinstance(event, DtlsReceived):
            viewer.dtls.datagram(event.data)
        elif isinstance(event, AddressLearned):
            viewer.dtls.address_learned()
            _log.debug(
                "%s: viewer at %s over %s",
                viewer.stream.name,
                event.address,
                event.protocol,
                extra={"session": viewer.id},
            )
        elif isinstance(event, ConsentLost):
            self.leave(viewer, "it stopped answering")

    def _keyframe_wanted(self, feed: Feed) -> None:
        for outputs in self._outputs.values():
            output = outputs.owns(feed)
            if output is not None and output.codec.is_video:
                outputs.request_keyframe(output)

    def _reassign(self, stream: Stream) -> None:
        viewers = self._viewers(stream)
        if stream.state is State.OFFLINE:
            self._leave_all(viewers, "the publisher did not come back")
            return
        for viewer in viewers:
            try:
                if not viewer.choose():
                    self.leave(viewer, "the stream's codec changed to one this viewer did not agree to")
            except Exception:  # its own trouble; the others must be moved all the same
                _log.exception("%s: a viewer could not be moved", stream.name, extra={"session": viewer.id})
                self.leave(viewer, "the server failed")

    def _viewers(self, stream: Stream) -> list[Viewer]:
        return list(self._by_stream.get(stream, ()))

    def _leave_all(self, viewers: Iterable[Viewer], reason: str) -> None:
        for viewer in viewers:
            self.leave(viewer, reason)

    def _settle(self) -> None:
        """Who reported a round trip has our keys: what its handshake took can go."""
        settled = {viewer for viewer in self._unsettled if viewer.counters["rtt_ms"] > 0}
        self._unsettled -= settled
        for viewer in settled:
            viewer.dtls.settle()
        self.released += len(settled)


def _below_floor(viewer: Viewer, error: LinkError) -> str:
    """Without a floor every viewer has a profile in common with us, but for one that knows no SRTP at all."""
    floor = viewer.stream.config.encryption
    if not floor:
        return f"could not connect: {error}"
    return f'{viewer.stream.name!r} demands encryption = "{floor}", which this viewer does not offer: {error}'
