"""Publishing with aiortc over the plane that runs in earnest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamTrack

from streamer.errors import AlreadyPublished
from streamer.hub.stream import Publisher, State, Stream
from streamer.ingest.rtp_session import Phase, RtpSession
from streamer.ingest.whip import NoSuchPublisher, Stopping, Untakable, WhipIngest
from streamer.sections.stream import StreamConfig
from tests.fakes.plane import FakePlane
from tests.fakes.wait import until
from tests.transport.webrtc.vectors import publishers_vector
from transport.media import AccessUnit, Codec
from transport.plane import PlaneOptions, bind_sockets, open_plane
from transport.plane.events import PeerEvent, PlaneEvents
from transport.plane.interface import Peer
from transport.webrtc.wire import Candidate


class Camera(MediaStreamTrack):
    """Grey pictures, 25 a second."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._number = 0

    async def recv(self) -> av.VideoFrame:
        await asyncio.sleep(0.04)
        shade = np.full((96, 160, 3), self._number * 5 % 255, np.uint8)
        frame = av.VideoFrame.from_ndarray(shade, format="rgb24")
        frame.pts, frame.time_base = self._number * 3600, Fraction(1, 90_000)
        self._number += 1
        return frame


class Kept:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.pictures: list[AccessUnit] = []
        self.sounds: list[AccessUnit] = []

    def write(self, unit: AccessUnit) -> None:
        (self.pictures if unit.track.is_video else self.sounds).append(unit)


class Encoder:
    """Who publishes: aiortc."""

    def __init__(self, *tracks: MediaStreamTrack | str) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        for track in tracks or (Camera(), AudioStreamTrack()):
            self.connection.addTransceiver(track, direction="sendonly")

    async def offer(self) -> None:
        await self.connection.setLocalDescription(await self.connection.createOffer())

    async def publish(self, rig: Rig) -> RtpSession:
        if self.connection.localDescription is None:
            await self.offer()
        session = rig.ingest.join(
            rig.stream, self.connection.localDescription.sdp, address="127.0.0.1", user_agent="aiortc"
        )
        await self.connection.setRemoteDescription(RTCSessionDescription(session.answer, "answer"))
        return session


class Rig:
    def __init__(self, **config: object) -> None:
        udp, tcp = bind_sockets("127.0.0.1", 0)
        port = udp[0].getsockname()[1]
        self.plane = open_plane(udp, tcp, PlaneOptions())
        self.events = PlaneEvents(self.plane)
        self.candidates = [Candidate("127.0.0.1", port)]
        self.ingest = WhipIngest(self.plane, self.events, self.candidates)
        self.stream = Stream("cam", StreamConfig.model_validate(config))
        self.kept = Kept()
        self.stream.source.attach(self.kept)
        self._encoders: list[Encoder] = []

    def encoder(self, *tracks: MediaStreamTrack | str) -> Encoder:
        self._encoders.append(Encoder(*tracks))
        return self._encoders[-1]

    async def close(self) -> None:
        await self.ingest.close("the test is over", 5.0)
        for encoder in self._encoders:
            await encoder.connection.close()
        self.events.close()
        await asyncio.to_thread(self.plane.close)


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(**config: object) -> Rig:
        made.append(Rig(**config))
        return made[-1]

    yield make
    for rig in made:
        await rig.close()


@pytest.fixture
async def rig(make: Callable[..., Rig]) -> Rig:
    return make()


async def test_pictures_and_sound_come(rig: Rig) -> None:
    session = await rig.encoder().publish(rig)
    await until(lambda: rig.stream.ready and len(rig.kept.sounds) > 20 and len(rig.kept.pictures) > 10)
    assert session.phase is Phase.LIVE
    first = rig.kept.pictures[0]
    assert (first.keyframe, first.track.codec, first.track.width, first.track.height) == (
        True,
        Codec.H264,
        160,
        96,
    )
    decoder = av.CodecContext.create("h264", "r")
    frames = [frame for unit in rig.kept.pictures for frame in decoder.decode(av.Packet(unit.data))]
    assert (frames[0].width, frames[0].height) == (160, 96)
    assert {unit.track.codec for unit in rig.kept.sounds} == {Codec.OPUS}
    publisher = rig.stream.publisher
    assert publisher is not None
    assert publisher.protocol == "whip"
    assert session.peer.address is not None
    assert publisher.address == "{}:{}".format(*session.peer.address)
    leg = publisher.encryption()
    assert leg is not None
    assert leg.cipher.startswith("AES-")
    counters = publisher.describe()["webrtc"]
    assert isinstance(counters, dict)
    assert counters["packets"] > 30
    assert (counters["lost"], counters["refused"], counters["dropped"]) == (0, 0, 0)
    assert (counters["protocol"], counters["user_agent"]) == ("udp", "aiortc")


async def test_sound_and_picture_share_one_clock(rig: Rig) -> None:
    await rig.encoder().publish(rig)
    await until(lambda: len(rig.kept.sounds) > 50 and len(rig.kept.pictures) > 25)
    apart = rig.kept.sounds[-1].pts_s - rig.kept.pictures[-1].pts_s
    assert abs(apart) < 1.0


async def test_sound_alone(rig: Rig) -> None:
    await rig.encoder(AudioStreamTrack()).publish(rig)
    await until(lambda: rig.stream.ready and len(rig.kept.sounds) > 5)
    assert [track.codec for track in rig.stream.source.tracks] == [Codec.OPUS]


async def test_what_is_announced_and_does_not_come_is_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.encoder("video", AudioStreamTrack()).publish(rig)
    await until(lambda: len(rig.kept.sounds) > 5)
    assert not any("announced" in warning for warning in rig.stream.warnings)
    monkeypatch.setattr("streamer.ingest.rtp_session._BEGINS_S", 0.0)
    (warning,) = [warning for warning in rig.stream.warnings if "announced" in warning]
    assert warning.startswith("The publisher announced a picture and sends none")


async def test_a_keyframe_can_be_asked_for(rig: Rig) -> None:
    await rig.encoder(Camera()).publish(rig)
    await until(lambda: len(rig.kept.pictures) > 5)
    publisher = rig.stream.publisher
    assert publisher is not None
    before = sum(unit.keyframe for unit in rig.kept.pictures)
    publisher.request_keyframe()
    await until(lambda: sum(unit.keyframe for unit in rig.kept.pictures) > before)


async def test_who_closes_has_left(rig: Rig) -> None:
    encoder = rig.encoder()
    session = await encoder.publish(rig)
    await until(lambda: rig.stream.ready)
    await encoder.connection.close()
    await until(lambda: rig.stream.state is State.AWAY)
    assert rig.stream.ingest.reason == "the publisher left"
    assert session.phase is Phase.ENDED
    rig.ingest.end(session.key, lambda session: None)  # is told that it ended
    with pytest.raises(NoSuchPublisher, match="the publisher left"):
        rig.ingest.by_key(session.key)


async def test_it_can_be_ended_from_outside(rig: Rig) -> None:
    encoder = rig.encoder()
    await encoder.publish(rig)
    await until(lambda: rig.stream.ready)
    publisher = rig.stream.publisher
    assert publisher is not None
    await asyncio.to_thread(publisher.stop)
    await until(lambda: rig.stream.state is State.AWAY)
    assert rig.stream.ingest.reason == "the server ended it"
    await until(lambda: encoder.connection.connectionState in ("closed", "failed"))


async def test_who_comes_second_is_refused(rig: Rig) -> None:
    await rig.encoder().publish(rig)
    await until(lambda: rig.stream.ready)
    with pytest.raises(AlreadyPublished, match="is being published by"):
        await rig.encoder().publish(rig)


async def test_who_fell_silent_gives_way(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await rig.encoder().publish(rig)
    await until(lambda: rig.stream.ready)
    monkeypatch.setattr("streamer.ingest.rtp_session.SILENT_S", -1.0)
    second = await rig.encoder().publish(rig)
    await until(lambda: rig.stream.publisher is not None and rig.stream.publisher.id == second.id)
    assert first.phase is Phase.ENDED


async def test_who_was_ended_is_in_nobodys_way(rig: Rig) -> None:
    first = await rig.encoder().publish(rig)
    await until(lambda: rig.stream.ready)
    encoder = rig.encoder()
    await encoder.offer()
    # Its thread cannot have ended yet when somebody comes who was only waiting for the answer to its DELETE.
    rig.ingest.end(first.key, lambda session: None)
    second = await encoder.publish(rig)
    await until(lambda: rig.stream.publisher is not None and rig.stream.publisher.id == second.id)
    assert second.phase is Phase.LIVE


async def test_somebody_quicker_is_not_pushed_out(rig: Rig) -> None:
    encoder = rig.encoder()
    session = await encoder.publish(rig)
    publication = rig.stream.publish(Publisher("one", "srt", "192.0.2.1:4000"))
    await until(lambda: session.phase is Phase.ENDED)
    with pytest.raises(NoSuchPublisher, match=r"being published by 192\.0\.2\.1:4000"):
        rig.ingest.by_key(session.key)
    publication.close("it left")


async def test_who_is_ended_as_it_connects_never_publishes(rig: Rig) -> None:
    class Watched(PlaneEvents):
        """Has the session ended in the moment in which the handshake is done."""

        def follow(self, peer: Peer, take: Callable[[PeerEvent], None]) -> None:
            def then_end(event: PeerEvent) -> None:
                take(event)
                if session.dtls.version:
                    rig.ingest.leave(session, "it was ended")

            super().follow(peer, then_end)

    states: list[State] = []
    rig.stream = Stream("cam", StreamConfig(), lambda stream: states.append(stream.state))
    rig.ingest = WhipIngest(rig.plane, Watched(rig.plane), rig.candidates)
    session = await rig.encoder().publish(rig)
    await until(lambda: session.phase is not Phase.CONNECTING)
    await rig.ingest.close("the test is over", 20.0)
    assert session.phase is Phase.ENDED
    assert states == []
    told: list[str] = []
    session.when_ended(lambda: told.append("at once"))
    assert told == ["at once"]


async def test_a_floor_is_held(make: Callable[..., Rig]) -> None:
    rig = make(encryption="aes-256", passphrase="correct horse battery")
    # aiortc offers AES-256 as well, so that it is what is agreed on.
    session = await rig.encoder().publish(rig)
    await until(lambda: rig.stream.ready)
    assert session.cipher == "AEAD_AES_256_GCM"


async def test_who_never_comes_is_forgotten(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streamer.ingest.whip._HANDSHAKE_S", 0.05)
    encoder = rig.encoder()
    await encoder.connection.setLocalDescription(await encoder.connection.createOffer())
    with caplog.at_level(logging.WARNING):
        session = rig.ingest.join(
            rig.stream, encoder.connection.localDescription.sdp, address="127.0.0.1", user_agent="aiortc"
        )
        await until(lambda: session.phase is Phase.ENDED)
    assert "no packet of it arrived" in caplog.text
    assert "no packet of it arrived" in rig.stream.ingest.reason


async def test_who_never_comes_is_missed_by_the_plane_no_later_than_by_the_handshake(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plane, stream = FakePlane(), Stream("cam", StreamConfig())
    events = PlaneEvents(plane)
    ingest = WhipIngest(plane, events, [Candidate("192.0.2.1", 8189)])
    with caplog.at_level(logging.WARNING):
        session = ingest.join(stream, publishers_vector("chromium"), address="192.0.2.9", user_agent="test")
        plane.lost(session.peer)
        await until(lambda: session.phase is Phase.ENDED)
        await ingest.close("the test is over", 20.0)
    events.close()
    plane.close()
    assert "no packet of it arrived" in stream.ingest.reason
    (said,) = caplog.messages
    assert "no packet of it arrived" in said
    with pytest.raises(NoSuchPublisher, match="no packet of it arrived"):
        ingest.by_key(session.key)


async def test_a_pulled_stream_takes_nobody(make: Callable[..., Rig]) -> None:
    rig = make(source="rtsp://192.0.2.1/")
    with pytest.raises(Untakable, match="is pulled from its source"):
        await rig.encoder().publish(rig)


async def test_a_server_that_stops_takes_nobody(rig: Rig) -> None:
    await rig.ingest.close("the server is stopping", 1.0)
    with pytest.raises(Stopping):
        await rig.encoder().publish(rig)


async def test_all_are_told_goodbye_at_the_end(rig: Rig) -> None:
    encoder = rig.encoder()
    await encoder.publish(rig)
    await until(lambda: rig.stream.ready)
    await rig.ingest.close("the server is stopping", 5.0)
    await until(lambda: rig.stream.state is State.AWAY)
    assert rig.stream.ingest.reason == "the server is stopping"
    await until(lambda: encoder.connection.connectionState in ("closed", "failed"))
