"""The whole way of a viewer: another implementation of WebRTC, the real plane, real packets on loopback."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncIterator

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from streamer.egress.webrtc import Viewer, ViewerState, WebRtcEgress
from streamer.hub.stream import Publication, Publisher, Stream
from streamer.sections.stream import StreamConfig
from streamer.sections.webrtc import WebRtcConfig
from tests.fakes.media import audio_units
from tests.fakes.units import OPUS, picture
from tests.fakes.wait import until
from transport.media import AccessUnit
from transport.plane import PlaneOptions, bind_sockets, open_plane
from transport.plane.events import PlaneEvents
from transport.webrtc.wire import Candidate


class Server:
    """An egress over the plane that runs in earnest, with one stream."""

    def __init__(self) -> None:
        udp, tcp = bind_sockets("127.0.0.1", 0)
        port = udp[0].getsockname()[1]
        self.plane = open_plane(udp, tcp, PlaneOptions())
        self.events = PlaneEvents(self.plane)
        self.egress = WebRtcEgress(self.plane, self.events, WebRtcConfig(), [Candidate("127.0.0.1", port)])
        self.stream = Stream("cam", StreamConfig(), self.egress.stream_changed)
        self.publication: Publication | None = None

    async def close(self) -> None:
        await self.egress.drain("the test is over", 5.0)
        await self.egress.close()
        self.events.close()
        await asyncio.to_thread(self.plane.close)


class Client:
    """A player: aiortc."""

    def __init__(self) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.tracks: dict[str, MediaStreamTrack] = {}
        self.connection.on("track", self._on_track)
        for kind in ("video", "audio"):
            self.connection.addTransceiver(kind, direction="recvonly")

    def _on_track(self, track: MediaStreamTrack) -> None:
        self.tracks[track.kind] = track

    async def join(self, server: Server) -> Viewer:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        viewer = await server.egress.join(
            server.stream, self.connection.localDescription.sdp, user_agent="aiortc"
        )
        await self.connection.setRemoteDescription(RTCSessionDescription(viewer.answer, "answer"))
        return viewer

    async def close(self) -> None:
        await self.connection.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    yield server
    await server.close()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client()
    yield client
    await client.close()


def encoded(pictures: int, size: tuple[int, int] = (160, 96)) -> list[AccessUnit]:
    """Pictures that a decoder can take, the first a keyframe, 25 a second."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.framerate = *size, "yuv420p", 25
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "g": "1000"}
    units: list[AccessUnit] = []
    for number in range(pictures):
        shade = np.full((size[1], size[0], 3), number * 5 % 255, np.uint8)
        frame = av.VideoFrame.from_ndarray(shade, format="rgb24")
        frame.pts = number
        for packet in encoder.encode(frame):
            unit = picture(number / 25, keyframe=packet.is_keyframe)
            units.append(dataclasses.replace(unit, data=bytes(packet)))
    return units


async def published(server: Server, stopping: asyncio.Event) -> None:
    """A camera, from a thread of its own, until told to stop."""
    publication = server.publication = server.stream.publish(Publisher("one", "srt", "x"))
    units = encoded(50)
    sounds = audio_units(0, 100)
    for lap in itertools.count():
        for number, unit in enumerate(units):
            if stopping.is_set():
                return
            moved = dataclasses.replace(unit, pts=unit.pts + lap * 180_000, dts=unit.dts + lap * 180_000)
            batch = [moved]
            for heard in sounds[number * 2 : number * 2 + 2]:
                shifted = heard.pts + lap * 96_000
                batch.append(dataclasses.replace(heard, track=OPUS, pts=shifted, dts=shifted))
            await asyncio.to_thread(lambda batch=batch: [publication.write(each) for each in batch])
            await asyncio.sleep(0.02)


@pytest.fixture
async def camera(server: Server) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    task = asyncio.create_task(published(server, stopping))
    # With its sound: who joins before that has one made, which lingers.
    await until(lambda: server.stream.ready and server.stream.source.audio is not None)
    yield
    stopping.set()
    await task


@pytest.mark.usefixtures("camera")
async def test_it_sees_and_leaves(server: Server, client: Client) -> None:
    viewer = await client.join(server)
    async with asyncio.timeout(30):
        frame = await client.tracks["video"].recv()
    assert (frame.width, frame.height) == (160, 96)  # type: ignore[union-attr]
    assert viewer.state is ViewerState.LIVE
    assert viewer.cipher.startswith("A")
    assert viewer.peer.protocol == "udp"
    await until(lambda: server.egress.measured() and int(viewer.counters["packets_sent"]) > 0)
    await client.close()
    await until(lambda: viewer.state is ViewerState.ENDED, "the goodbye to be heard")
    assert server.egress.count(server.stream) == 0
    assert not server.stream.demand.wait(0)


@pytest.mark.usefixtures("camera")
async def test_the_server_says_goodbye(server: Server, client: Client) -> None:
    viewer = await client.join(server)
    await until(lambda: viewer.state is ViewerState.LIVE)
    server.egress.leave(viewer, "ended by the administrator")
    await until(lambda: client.connection.connectionState in ("closed", "failed"))


@pytest.mark.usefixtures("camera")
async def test_one_that_never_comes_costs_nothing_when_it_is_ended(server: Server) -> None:
    client = Client()
    await client.connection.setLocalDescription(await client.connection.createOffer())
    sdp = client.connection.localDescription.sdp
    viewer = await server.egress.join(server.stream, sdp, user_agent="")
    await client.close()
    assert viewer.state is ViewerState.CONNECTING
    server.egress.leave(viewer, "test")
    assert server.egress.measured() == []
    assert not server.stream.source.has_sinks
