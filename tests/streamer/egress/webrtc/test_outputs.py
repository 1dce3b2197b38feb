from __future__ import annotations

import dataclasses
import time

import pytest

from streamer.egress.webrtc.keyring import KeyRing
from streamer.egress.webrtc.outputs import Output, Outputs
from streamer.hub.ladder import STILLS
from streamer.hub.rendition import Rendition
from streamer.hub.stream import Publisher, Stream
from streamer.sections.stream import StreamConfig
from tests.fakes.plane import FakePlane
from tests.fakes.renditions import is_taken
from tests.fakes.transcoder import TranscoderMaker
from tests.fakes.units import AAC, H264, H264_B_FRAMES, H265, OPUS, picture, sound
from tests.fakes.wait import wait_until
from tests.streamer.hub.sinks import Collector
from transport.errors import WireError
from transport.media import Codec, Track

SOURCE_H264, MADE_H264 = Output(Codec.H264, rendition=False), Output(Codec.H264, rendition=True)
SOURCE_H265 = Output(Codec.H265, rendition=False)
SOURCE_OPUS, MADE_OPUS = Output(Codec.OPUS, rendition=False), Output(Codec.OPUS, rendition=True)


class Rig:
    def __init__(self, *tracks: Track, **config: object) -> None:
        self.plane = FakePlane()
        self.stream = Stream("cam", StreamConfig.model_validate(config))
        self.publication = self.stream.publish(Publisher("one", "srt", "x"))
        self.publication.declare(tracks)
        self.outputs = Outputs(self.plane, self.stream)


@pytest.mark.parametrize(
    ("track", "codec", "renditions", "expected"),
    [
        (None, Codec.H264, "auto", SOURCE_H264),
        (H264, Codec.H264, "auto", SOURCE_H264),
        (H264_B_FRAMES, Codec.H264, "auto", MADE_H264),
        (H264_B_FRAMES, Codec.H264, "off", None),
        (dataclasses.replace(H264, interlaced=True), Codec.H264, "auto", MADE_H264),
        (dataclasses.replace(H264, interlaced=True), Codec.H264, "off", SOURCE_H264),
        (dataclasses.replace(H264, profile="7a001e"), Codec.H264, "auto", MADE_H264),
        (dataclasses.replace(H264, pixel_aspect=64 / 45), Codec.H264, "auto", MADE_H264),
        (dataclasses.replace(H264, pixel_aspect=136 / 135), Codec.H264, "auto", SOURCE_H264),
        (H265, Codec.H265, "auto", SOURCE_H265),
        (H265, Codec.H264, "auto", MADE_H264),
        (H265, Codec.H264, "off", None),
        (H264, Codec.H265, "auto", None),
        (dataclasses.replace(H265, has_b_frames=True), Codec.H265, "auto", None),
    ],
)
def test_which_picture_fits(
    track: Track | None, codec: Codec, renditions: str, expected: Output | None
) -> None:
    rig = Rig(*([track] if track else []), renditions=renditions)
    assert rig.outputs.picture_for(codec) == expected


@pytest.mark.parametrize(
    ("track", "expected"),
    [
        (None, MADE_OPUS),
        (AAC, MADE_OPUS),
        (OPUS, SOURCE_OPUS),
        (dataclasses.replace(OPUS, channels=6), MADE_OPUS),
    ],
)
def test_which_sound(track: Track | None, expected: Output) -> None:
    assert Rig(*([track] if track else [])).outputs.sound() == expected


def test_they_are_called_by_where_they_come_from() -> None:
    assert (str(SOURCE_H264), str(MADE_H264)) == ("source", "rendition")


class TestFeeds:
    def test_one_serves_everybody_and_lives_as_long(self) -> None:
        rig = Rig(H264)
        rig.outputs.take(SOURCE_H264)
        rig.outputs.take(SOURCE_H264)
        (feed,) = rig.plane.feeds
        assert rig.outputs.feed(SOURCE_H264) is feed
        assert not feed.sealed
        assert rig.outputs.owns(feed) == SOURCE_H264
        assert (feed.codec, feed.clock_rate) == (Codec.H264, 90_000)
        rig.outputs.give_back(SOURCE_H264)
        assert not feed.closed
        rig.outputs.give_back(SOURCE_H264)
        assert feed.closed
        assert rig.outputs.owns(feed) is None
        assert not rig.stream.source.has_sinks

    def test_a_picture_feed_starts_with_the_gop_and_gets_pictures_only(self) -> None:
        rig = Rig(H264, OPUS)
        for unit in (picture(0.0, keyframe=True), sound(0.0, track=OPUS), picture(0.04)):
            rig.publication.write(unit)
        rig.outputs.take(SOURCE_H264)
        rig.publication.write(sound(0.04, track=OPUS))
        rig.publication.write(picture(0.08))
        units = rig.plane.feeds[0].units
        assert [unit.track.is_video for unit in units] == [True, True, True]
        assert units[0].keyframe

    def test_sound_has_its_own_clock(self) -> None:
        rig = Rig(H264, OPUS)
        rig.outputs.take(SOURCE_OPUS)
        rig.publication.write(sound(0.0, track=OPUS))
        (feed,) = rig.plane.feeds
        assert feed.clock_rate == 48_000
        assert [unit.track for unit in feed.units] == [OPUS]

    def test_a_publisher_with_another_codec_does_not_break_a_feed(self) -> None:
        rig = Rig(H264)
        rig.outputs.take(SOURCE_H264)
        rig.publication.write(picture(0.0, keyframe=True))
        rig.publication.write(picture(0.04, keyframe=True, track=H265))
        assert [unit.track.codec for unit in rig.plane.feeds[0].units] == [Codec.H264]
        assert rig.stream.source.has_sinks

    def test_a_rendition_runs_while_it_is_taken(self) -> None:
        rig = Rig(H264_B_FRAMES)
        rig.outputs.take(MADE_H264)
        assert rig.stream.h264.active
        rig.outputs.give_back(MADE_H264)
        assert not is_taken(rig.stream.h264)

    def test_a_feed_that_cannot_be_made_leaves_nothing(self) -> None:
        rig = Rig(H264)
        rig.plane.fails_to_make = Codec.H264
        with pytest.raises(RuntimeError):
            rig.outputs.take(SOURCE_H264)
        rig.plane.fails_to_make = None
        rig.outputs.take(SOURCE_H264)
        assert len(rig.plane.open_feeds) == 1

    def test_a_feed_that_fails_at_its_first_gop_leaves_nothing(self) -> None:
        rig = Rig(H264)
        rig.publication.write(picture(0.0, keyframe=True))
        rig.plane.fails_to_write = True
        with pytest.raises(RuntimeError):
            rig.outputs.take(SOURCE_H264)
        assert rig.plane.open_feeds == []
        assert not rig.stream.source.has_sinks

    def test_a_feed_that_fails_later_is_let_go_and_can_be_given_back(self) -> None:
        rig = Rig(H264)
        rig.outputs.take(SOURCE_H264)
        rig.plane.fails_to_write = True
        rig.publication.write(picture(0.0, keyframe=True))
        assert not rig.stream.source.has_sinks
        rig.outputs.give_back(SOURCE_H264)
        assert rig.plane.open_feeds == []

    def test_a_smaller_picture_begins_with_what_comes(self) -> None:
        rig = Rig(H264)
        other = Collector()
        made = Rendition("1", rig.stream.source, video=True, make=TranscoderMaker())
        rig.stream.reduced[0] = made
        rig.publication.write(picture(0.0, keyframe=True))
        made.attach(other)
        wait_until(lambda: len(other.units) == 1)
        rig.outputs.take(Output(Codec.H264, rendition=True, rung=1))
        rig.publication.write(picture(0.04))
        (feed,) = rig.plane.feeds
        wait_until(lambda: feed.units)
        assert [unit.keyframe for unit in feed.units] == [False]
        made.detach(other)

    def test_stills_are_the_keyframes_of_the_smallest_picture(self) -> None:
        rig = Rig(H264)
        maker = TranscoderMaker()
        smallest = rig.stream.reduced[-1] = Rendition("3", rig.stream.source, video=True, make=maker)
        stills = Output(Codec.H264, rendition=True, rung=STILLS)
        assert rig.outputs.picture_for(Codec.H264, STILLS) == stills
        rig.outputs.take(stills)
        assert smallest.is_taken
        for number in range(10):
            rig.publication.write(picture(number / 25, keyframe=number % 5 == 0))
        (feed,) = rig.plane.feeds
        wait_until(lambda: maker.made and len(maker.made[0].seen) == 10)
        wait_until(lambda: len(feed.units) == 2)
        assert all(unit.keyframe for unit in feed.units)
        rig.outputs.request_keyframe(stills)
        rig.publication.write(picture(1.0))
        wait_until(lambda: maker.made[0].keyframes_wanted)
        rig.outputs.give_back(stills)
        assert not smallest.is_taken


class TestSealing:
    def ring(self) -> KeyRing:
        return KeyRing(32, 3600.0, time.monotonic())

    def test_a_unit_is_sealed_once_for_all_viewers(self) -> None:
        rig, ring = Rig(H264), self.ring()
        outputs = Outputs(rig.plane, rig.stream, ring)
        outputs.take(SOURCE_H264)
        outputs.take(SOURCE_H264)
        data = b"\0\0\0\1\x65\x88\x84picture"
        unit = dataclasses.replace(picture(0.0, keyframe=True), data=data)
        rig.publication.write(unit)
        assert rig.plane.feeds[0].sealed
        (sealed,) = rig.plane.feeds[0].units
        assert b"picture" not in sealed.data
        assert (sealed.keyframe, sealed.track) == (True, H264)
        cipher = ring.cipher(time.monotonic())
        assert cipher.open(Codec.H264, sealed.data) == data
        # Thumbnails and other outputs have the picture as it came.
        assert rig.stream.source.keyframe is not None
        assert rig.stream.source.keyframe.data == data

    def test_what_cannot_be_sealed_is_not_sent(self) -> None:
        rig = Rig(H264)
        outputs = Outputs(rig.plane, rig.stream, self.ring())
        outputs.take(SOURCE_H264)
        rig.publication.write(picture(0.0, keyframe=True))  # zeros, no slice
        assert rig.plane.feeds[0].units == []
        assert rig.stream.source.has_sinks

    def test_after_a_removal_the_next_frame_has_another_key(self) -> None:
        rig, ring = Rig(H264, OPUS), self.ring()
        outputs = Outputs(rig.plane, rig.stream, ring)
        outputs.take(SOURCE_OPUS)
        old = ring.cipher(time.monotonic())
        rig.publication.write(sound(0.0, track=OPUS))
        ring.revoke(time.monotonic() + 1)
        rig.publication.write(sound(0.02, track=OPUS))
        before, after = rig.plane.feeds[0].units
        assert old.open(Codec.OPUS, before.data) == bytes(20)
        with pytest.raises(WireError):
            old.open(Codec.OPUS, after.data)
