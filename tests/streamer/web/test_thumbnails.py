from __future__ import annotations

import asyncio
import dataclasses

import av
import numpy as np
import pytest

from streamer.hub.stream import Publisher, Stream
from streamer.sections.stream import StreamConfig
from streamer.web import thumbnails as thumbnails_module
from streamer.web.thumbnails import Thumbnails
from tests.fakes.units import H264, picture
from tests.streamer.web.rig import WebRig
from transport.media import AccessUnit


def keyframe(at_s: float = 0.0, shade: int = 128) -> AccessUnit:
    """A picture that can be decoded, of one shade of grey."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuv420p"
    encoder.framerate = 25
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency"}
    frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade, np.uint8), format="rgb24")
    frame.pts = 0
    data = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    return dataclasses.replace(picture(at_s, keyframe=True, track=H264), data=data)


@pytest.fixture
def cam() -> Stream:
    return Stream("cam", StreamConfig())


async def test_no_picture_while_nothing_is_shown(cam: Stream) -> None:
    assert await Thumbnails().picture(cam) is None


async def test_many_ask_and_one_decodes(cam: Stream) -> None:
    cam.publish(Publisher("one", "srt", "x")).write(keyframe())
    thumbnails = Thumbnails()
    pictures = await asyncio.gather(*(thumbnails.picture(cam) for _ in range(8)))
    assert pictures[0] is not None
    assert pictures[0][:2] == b"\xff\xd8"
    assert all(each is pictures[0] for each in pictures)


async def test_a_young_one_is_shown_again(cam: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    publication = cam.publish(Publisher("one", "srt", "x"))
    publication.write(keyframe(0.0, shade=0))
    thumbnails = Thumbnails()
    first = await thumbnails.picture(cam)
    publication.write(keyframe(1.0, shade=255))
    assert await thumbnails.picture(cam) is first
    monkeypatch.setattr(thumbnails_module, "_MIN_AGE_S", 0.0)
    assert await thumbnails.picture(cam) != first


async def test_one_that_cannot_be_decoded_is_none(cam: Stream) -> None:
    cam.publish(Publisher("one", "srt", "x")).write(picture(0.0, keyframe=True))
    assert await Thumbnails().picture(cam) is None


async def test_over_http(rig: WebRig) -> None:
    status, _, text = await rig.answer("GET", "/thumbnails/cam.jpg")
    assert (status, "no_picture" in text) == (404, True)
    rig.stream.publish(Publisher("one", "srt", "x")).write(keyframe())
    async with rig.client.get("/thumbnails/cam.jpg?t=1") as response:
        assert response.status == 200
        assert response.content_type == "image/jpeg"
        assert response.headers["Cache-Control"] == "no-cache"
        assert (await response.read())[:2] == b"\xff\xd8"
