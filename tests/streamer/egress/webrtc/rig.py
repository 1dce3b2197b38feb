"""An egress over the fake plane, one stream, and offers as browsers make them."""

from __future__ import annotations

import time

from streamer.egress.webrtc import Viewer, WebRtcEgress
from streamer.hub.stream import Publication, Publisher, Stream
from streamer.sections.stream import StreamConfig
from streamer.sections.webrtc import WebRtcConfig
from tests.fakes.plane import FakePeer, FakePlane
from tests.fakes.renditions import is_taken
from tests.fakes.units import AAC, H264, picture, sound
from tests.transport.webrtc.vectors import vector
from transport.media import Track
from transport.plane.events import PlaneEvents
from transport.plane.interface import SrtpProfile
from transport.webrtc.dtls import SrtpKeys
from transport.webrtc.wire import Candidate

CHROMIUM, SAFARI = vector("chromium"), vector("safari-like")  # H.264 only; H.264 and H.265
KEYS = SrtpKeys(SrtpProfile.AEAD_AES_256_GCM, bytes(44), bytes(44))
CANDIDATES = [Candidate("192.0.2.2", 8189), Candidate("192.0.2.2", 8189, "tcp")]


class Rig:
    """Use within an event loop."""

    def __init__(self, **config: object) -> None:
        self.plane = FakePlane()
        self.events = PlaneEvents(self.plane)
        self.egress = WebRtcEgress(self.plane, self.events, WebRtcConfig.model_validate(config), CANDIDATES)
        self.stream = self.make()

    def make(self, name: str = "cam", **config: object) -> Stream:
        return Stream(name, StreamConfig.model_validate(config), self.egress.stream_changed)

    def publish(self, video: Track | None = H264, audio: Track | None = AAC) -> Publication:
        """Make the stream live, in this thread."""
        publication = self.stream.publish(Publisher("one", "srt", "192.0.2.1:4000"))
        if video is not None:
            publication.write(picture(0.0, keyframe=True, track=video))
        if audio is not None:
            publication.write(sound(0.0, track=audio))
        return publication

    def expire(self) -> None:
        self.stream.expire(time.monotonic() + 10_000)

    async def join(self, offer: str = CHROMIUM, *, user_agent: str = "test") -> Viewer:
        return await self.egress.join(self.stream, offer, user_agent=user_agent)

    async def connected(self, offer: str = CHROMIUM) -> Viewer:
        """Join, as if the handshake were done."""
        viewer = await self.join(offer)
        viewer.start(KEYS)
        return viewer

    def count(self, viewer: Viewer, **counters: float) -> None:
        """What the plane says of a viewer from now on."""
        self.plane.counters[viewer.peer.id] = counters

    @property
    def is_clean(self) -> bool:
        """Nothing is left of any viewer."""
        return (
            not self.plane.open_feeds
            and not self.plane.peers
            and not is_taken(self.stream.h264)
            and not any(map(is_taken, self.stream.reduced))
            and not is_taken(self.stream.opus)
            and not self.stream.source.has_sinks
            and not self.stream.demand.wait(0)
            and self.egress.count(self.stream) == 0
            and self.egress.measured() == []
        )

    async def close(self) -> None:
        await self.egress.drain("the test is over", 5.0)
        await self.egress.close()
        self.events.close()
        self.plane.close()


def peer_of(viewer: Viewer) -> FakePeer:
    assert isinstance(viewer.peer, FakePeer)
    return viewer.peer
