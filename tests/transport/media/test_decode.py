from __future__ import annotations

from dataclasses import replace

import pytest
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from tests.transport.media.sources import picture_units
from transport.media.decode import TolerantDecoder
from transport.media.unit import AccessUnit, Codec, Track


def open_h264(track: Track) -> VideoCodecContext:
    context = VideoCodecContext.create("h264", "r")
    assert isinstance(context, VideoCodecContext)
    return context


@pytest.fixture
def units() -> list[AccessUnit]:
    return picture_units(Codec.H264, 20, options={"bf": "2", "b_strategy": "0"})


@pytest.fixture
def decoder() -> TolerantDecoder[VideoFrame]:
    return TolerantDecoder(open_h264)


def test_frames_come_in_the_order_they_are_shown(
    units: list[AccessUnit], decoder: TolerantDecoder[VideoFrame]
) -> None:
    frames = [frame for unit in units for frame in decoder.decode(unit)]
    assert len(frames) < len(units)
    frames += decoder.drain()
    assert [frame.pts for frame in frames] == sorted(unit.pts for unit in units)
    assert decoder.drain() == []
    assert decoder.errors == decoder.restarts == 0


def test_after_draining_it_starts_again(
    units: list[AccessUnit], decoder: TolerantDecoder[VideoFrame]
) -> None:
    for _ in range(2):
        frames = [frame for unit in units for frame in decoder.decode(unit)] + decoder.drain()
        assert len(frames) == len(units)


def test_one_error_is_counted_and_a_burst_restarts(
    units: list[AccessUnit], decoder: TolerantDecoder[VideoFrame]
) -> None:
    decoder.decode(units[0])
    for bad in (b"", b"\x00\x00\x00\x01\x65\xff"):
        assert decoder.decode(replace(units[1], data=bad)) == []
    assert (decoder.errors, decoder.restarts) == (2, 0)
    for _ in range(8):
        decoder.decode(replace(units[1], data=b""))
    assert (decoder.errors, decoder.restarts) == (10, 1)
    assert [frame for unit in units for frame in decoder.decode(unit)]


def test_errors_far_apart_restart_nothing(
    units: list[AccessUnit], decoder: TolerantDecoder[VideoFrame]
) -> None:
    for unit in units:
        decoder.decode(unit)
        decoder.decode(replace(unit, data=b""))
    assert (decoder.errors, decoder.restarts) == (20, 0)
