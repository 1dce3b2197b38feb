"""The thread of one publisher, with a plane that does what the test says."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time

from streamer.hub.stream import Stream
from streamer.ingest.rtp_session import RtpSession
from streamer.sections.stream import StreamConfig
from tests.fakes.plane import FakePeer, FakePlane
from tests.fakes.wait import until
from tests.transport.webrtc.vectors import publishers_vector
from transport.plane.interface import SrtpProfile
from transport.webrtc.answer import LocalParameters
from transport.webrtc.dtls import SrtpKeys
from transport.webrtc.offers import read_offer
from transport.webrtc.receiving import receive
from transport.webrtc.wire import Candidate, Fingerprint

KEYS = SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, bytes(28), bytes(28))
LOCAL = LocalParameters.fresh(Fingerprint("sha-256", "AA:BB"), [Candidate("192.0.2.1", 8189)])


class Watched(FakePeer):
    """Knows when somebody looked what came."""

    def __init__(self, plane: FakePlane) -> None:
        super().__init__(plane, 1, "ufrag", collects=True)
        self.taken_at: list[float] = []

    def take(self, most: int, seconds: float, pause: float = 0.0) -> list[tuple[bytes, float]]:
        self.taken_at.append(time.monotonic())
        return super().take(most, seconds, pause)


def session_of(peer: FakePeer) -> RtpSession:
    receiving = receive(read_offer(publishers_vector("chromium")), LOCAL)
    stream = Stream("cam", StreamConfig())
    return RtpSession(stream, peer, receiving, "192.0.2.9", "a browser", lambda session, reason: None)


async def test_who_is_lost_costs_nothing_until_the_event_loop_has_heard_of_it() -> None:
    plane = FakePlane()
    peer = Watched(plane)
    session = session_of(peer)
    reasons: list[str] = []
    thread = threading.Thread(target=lambda: reasons.append(session.serve(KEYS)))
    thread.start()
    await until(lambda: session.stream.publisher is not None)
    plane.lost(peer)
    already = len(peer.taken_at)
    await until(lambda: len(peer.taken_at) >= already + 4)
    # The first of them waited for the loss itself; from then on it looks a few times a second.
    gaps = [after - before for before, after in itertools.pairwise(peer.taken_at[already + 1 : already + 4])]
    session.end("it stopped answering")
    await asyncio.to_thread(thread.join)
    plane.close()
    assert min(gaps) > 0.01
    assert reasons == ["it stopped answering"]
    assert session.stream.publisher is None


async def test_who_moved_to_another_network_is_shown_there() -> None:
    plane = FakePlane()
    peer = Watched(plane)
    peer.address = "192.0.2.9", 4000
    session = session_of(peer)
    thread = threading.Thread(target=session.serve, args=(KEYS,))
    thread.start()
    await until(lambda: session.stream.publisher is not None)
    publisher = session.stream.publisher
    assert publisher is not None
    assert (publisher.address, publisher.moved_to()) == ("192.0.2.9:4000", "192.0.2.9:4000")
    peer.address = "198.51.100.7", 5000
    assert publisher.moved_to() == "198.51.100.7:5000"
    session.end("it left")
    await asyncio.to_thread(thread.join)
    plane.close()
