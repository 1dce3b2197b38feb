from __future__ import annotations

import asyncio
import itertools
import threading
import time
from dataclasses import replace

import pytest

from streamer.errors import AlreadyPublished, NoSuchStream, NotLive
from streamer.hub.stream import IngestStatus, Publication, Publisher, State, Stream, Wake
from streamer.sections.stream import StreamConfig
from tests.fakes.units import AAC, H264, H264_B_FRAMES, H265, OPUS, picture, sound
from tests.streamer.hub.sinks import Collector
from transport.media import Codec


def publisher(id: str = "one", address: str = "192.0.2.1:4000") -> Publisher:
    return Publisher(id, "srt", address)


def stream(**config: object) -> Stream:
    return Stream("cam", StreamConfig.model_validate(config))


def live(cam: Stream) -> Publication:
    publication = cam.publish(publisher())
    publication.write(picture(0.0, keyframe=True))
    return publication


class TestOnePublisher:
    def test_a_second_one_is_refused_and_takes_nothing_over(self) -> None:
        cam = stream()
        first = live(cam)
        with pytest.raises(AlreadyPublished) as caught:
            cam.publish(publisher("two", "192.0.2.2:5000"))
        assert caught.value.by == "192.0.2.1:4000"
        assert cam.publisher is first.publisher
        sink = Collector()
        cam.source.attach(sink, replay=False)
        first.write(picture(0.04))
        assert len(sink.units) == 1

    def test_of_many_at_once_one_gets_it(self) -> None:
        cam = stream()
        won: list[str] = []
        start = threading.Barrier(8)

        def attempt(number: int) -> None:
            start.wait()
            try:
                cam.publish(publisher(str(number)))
                won.append(str(number))
            except AlreadyPublished:
                return

        threads = [threading.Thread(target=attempt, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert cam.publisher is not None
        assert won == [cam.publisher.id]

    def test_after_close_nothing_of_it_arrives(self) -> None:
        cam = stream()
        first = live(cam)
        first.close("over")
        first.close("over again")
        sink = Collector()
        cam.source.attach(sink)
        first.write(picture(0.04))
        first.declare((H265,))
        assert sink.units == []
        assert cam.source.video is H264

    def test_the_former_cannot_end_the_next(self) -> None:
        cam = stream()
        first = live(cam)
        first.close("over")
        second = cam.publish(publisher("two"))
        first.close("late")
        cam.left(first, "very late")
        assert cam.publisher is second.publisher
        assert cam.state is State.LIVE


class TestStates:
    def test_offline_live_away_offline(self) -> None:
        cam = stream(grace_s=30)
        states = [cam.state]
        publication = live(cam)
        states.append(cam.state)
        publication.close("the encoder left")
        states.append(cam.state)
        now = time.monotonic()
        cam.expire(now + 29)
        states.append(cam.state)
        cam.expire(now + 31)
        states.append(cam.state)
        assert states == [State.OFFLINE, State.LIVE, State.AWAY, State.AWAY, State.OFFLINE]

    def test_back_in_time_every_output_is_still_attached(self) -> None:
        cam = stream(grace_s=30)
        first = live(cam)
        sink = Collector()
        cam.source.attach(sink)
        first.close("gone")
        cam.expire(time.monotonic() + 10)
        second = cam.publish(publisher("two"))
        cam.expire(time.monotonic() + 100)
        second.write(picture(5000.0, keyframe=True))
        assert cam.state is State.LIVE
        assert len(sink.units) == 2
        assert all(b > a for a, b in itertools.pairwise(sink.seconds))

    def test_without_grace_it_is_offline_at_the_next_look(self) -> None:
        cam = stream(grace_s=0)
        live(cam).close("gone")
        cam.expire(time.monotonic())
        assert cam.state is State.OFFLINE

    def test_the_last_picture_is_not_shown_after_the_publisher_left(self) -> None:
        cam = stream()
        live(cam).close("gone")
        assert cam.source.keyframe is None
        late = Collector()
        cam.source.attach(late)
        assert late.units == []

    def test_offline_means_no_tracks(self) -> None:
        cam = stream(grace_s=0)
        live(cam).close("gone")
        assert cam.source.video is H264
        cam.expire(time.monotonic())
        assert cam.source.tracks == ()

    def test_what_the_publisher_before_brought_is_not_said_of_the_next_one(self) -> None:
        cam = stream()
        first = cam.publish(publisher())
        first.declare((H264_B_FRAMES, AAC))
        first.write(picture(0.0, keyframe=True, track=H264_B_FRAMES))
        first.close("left")
        assert cam.tracks == (H264_B_FRAMES, AAC)
        second = cam.publish(publisher("two"))
        assert (cam.tracks, cam.warnings) == ((), [])
        assert cam.source.video is not None, "whoever watches keeps what he has"
        second.declare((H264,))
        assert [track.codec for track in cam.tracks] == [Codec.H264]

    def test_expiry_never_takes_away_what_the_next_one_declared(self) -> None:
        cam = stream(grace_s=0)
        missing: list[int] = []
        for number in range(300):
            live(cam).close("gone")
            expiring = threading.Thread(target=cam.expire, args=(time.monotonic() + 1,))
            expiring.start()
            publication = cam.publish(publisher(str(number)))
            publication.declare((H264, AAC))
            expiring.join()
            if len(cam.source.tracks) != 2:
                missing.append(number)
            publication.close("gone")
        assert missing == []

    def test_every_change_is_told(self) -> None:
        seen: list[State] = []
        cam = Stream("cam", StreamConfig(grace_s=0), lambda changed: seen.append(changed.state))
        publication = live(cam)
        publication.close("gone")
        cam.expire(time.monotonic())
        assert [state for state, _ in itertools.groupby(seen)] == [State.LIVE, State.AWAY, State.OFFLINE]

    def test_what_the_source_does_is_told(self) -> None:
        cam = stream()
        assert cam.ingest.state == "waiting"
        publication = live(cam)
        assert (cam.ingest.state, cam.ingest.reason) == ("live", "")
        publication.close("the peer left")
        assert (cam.ingest.state, cam.ingest.reason) == ("waiting", "the peer left")


class TestRetire:
    def test_the_publisher_is_stopped_and_nobody_follows(self) -> None:
        cam = stream()
        stopped: list[bool] = []
        publication = cam.publish(Publisher("one", "srt", "a", stop=lambda: stopped.append(True)))
        cam.retire()
        assert stopped == [True]
        publication.close("stopped")
        with pytest.raises(NoSuchStream):
            cam.publish(publisher("two"))

    async def test_who_waits_for_it_is_told_at_once(self) -> None:
        cam = stream()
        waiting = asyncio.create_task(cam.wait_ready(60))
        await asyncio.sleep(0)
        cam.retire()
        with pytest.raises(NoSuchStream):
            await waiting

    async def test_it_is_not_ready_whatever_still_arrives(self) -> None:
        cam = stream()
        live(cam)
        assert cam.ready
        cam.retire()
        assert not cam.ready
        with pytest.raises(NoSuchStream):
            await cam.wait_ready(60)


class TestExpect:
    """Somebody opened a page: what every browser needs made for it is started."""

    def made(self, cam: Stream) -> list[str]:
        cam.expect()
        names = [name for name in ("opus", "aac", "h264") if getattr(cam, name).active]
        cam.retire()
        assert not (cam.opus.active or cam.aac.active or cam.h264.active)
        return names

    def test_sound_and_a_picture_that_no_browser_plays(self) -> None:
        cam = stream()
        publication = cam.publish(publisher())
        publication.write(picture(0.0, keyframe=True, track=H264_B_FRAMES))
        publication.write(sound(0.0, track=AAC))
        assert self.made(cam) == ["opus", "h264"]

    def test_a_picture_of_a_codec_that_no_browser_knows(self) -> None:
        cam = stream()
        cam.publish(publisher()).write(picture(0.0, keyframe=True, track=replace(H264, codec=Codec.MPEG2)))
        assert self.made(cam) == ["h264"]

    def test_what_browsers_play_or_may_play_is_not_made(self) -> None:
        cam = stream()
        publication = cam.publish(publisher())
        publication.write(picture(0.0, keyframe=True, track=H265))
        publication.write(sound(0.0, track=OPUS))
        assert self.made(cam) == []

    def test_nothing_that_is_switched_off(self) -> None:
        cam = stream(renditions="off")
        cam.publish(publisher()).write(picture(0.0, keyframe=True, track=H264_B_FRAMES))
        assert self.made(cam) == []

    def test_nothing_of_a_stream_that_is_away(self) -> None:
        cam = stream()
        publication = cam.publish(publisher())
        publication.write(picture(0.0, keyframe=True, track=H264_B_FRAMES))
        publication.close("gone")
        assert self.made(cam) == []


class TestReady:
    async def test_at_the_first_picture(self) -> None:
        cam = stream()
        assert not cam.ready
        publication = cam.publish(publisher())
        assert not cam.ready
        waiting = asyncio.create_task(cam.wait_ready(60))
        await asyncio.to_thread(publication.write, picture(0.0, keyframe=True))
        await waiting
        assert cam.ready

    def test_pictures_before_the_first_keyframe_are_not_enough(self) -> None:
        cam = stream()
        publication = cam.publish(publisher("rtsp"))
        publication.declare((H264,))
        publication.write(picture(0.0))
        assert not cam.ready
        publication.write(picture(0.04, keyframe=True))
        assert cam.ready

    def test_declared_tracks_are_waited_for(self) -> None:
        cam = stream()
        publication = cam.publish(publisher())
        publication.declare((H264, AAC))
        publication.write(sound(0.0))
        assert not cam.ready
        publication.write(picture(0.0, keyframe=True))
        assert cam.ready

    async def test_a_silent_sound_track_not_for_long(self) -> None:
        cam = stream()
        publication = cam.publish(publisher())
        publication.declare((H264, AAC))
        publication.write(picture(0.0, keyframe=True))
        assert not cam.ready
        await cam.wait_ready(20)

    def test_again_only_when_the_next_publisher_shows_something(self) -> None:
        cam = stream()
        live(cam).close("gone")
        cam.publish(publisher("two"))
        assert not cam.ready

    @pytest.mark.parametrize(
        ("prepare", "why"),
        [
            (lambda cam: None, "nobody publishes it"),
            (lambda cam: live(cam).close(""), "its publisher is away"),
            (lambda cam: cam.publish(publisher()), "no keyframe"),
            (
                lambda cam: cam.publish(Publisher("one", "srt", "", warnings=lambda: ["it is FLV"])),
                "it is FLV",
            ),
            (
                lambda cam: cam.publish(
                    Publisher("one", "rtsp", "", warnings=lambda: ["its size is not told"])
                ).declare((H264,)),
                "no keyframe has arrived yet; its size is not told",
            ),
            (lambda cam: live(cam).close("the link broke"), "the link broke"),
            (lambda cam: setattr(cam, "ingest", IngestStatus("retrying", "no route")), "no route"),
        ],
    )
    async def test_not_in_time_says_why(self, prepare, why: str) -> None:  # type: ignore[no-untyped-def]
        cam = stream()
        prepare(cam)
        with pytest.raises(NotLive, match=why) as caught:
            await cam.wait_ready(0)
        assert caught.value.retry_after_s > 0


class TestSoundSource:
    def test_opus_comes_from_the_stream_itself(self) -> None:
        cam = stream()
        cam.publish(publisher()).write(sound(0.0, track=OPUS))
        assert cam.audio_source() is cam.source

    def test_everything_else_from_the_rendition(self) -> None:
        cam = stream()
        assert cam.audio_source() is cam.opus
        cam.publish(publisher()).write(sound(0.0))
        assert cam.audio_source() is cam.opus


def test_jumps_are_counted() -> None:
    cam = stream()
    publication = live(cam)
    publication.write(picture(9000.0, keyframe=True))
    assert cam.timeline_jumps == 1


def test_the_publishers_own_warnings_are_shown() -> None:
    cam = stream()
    cam.publish(Publisher("one", "rtsp", "a", warnings=lambda: ["a track of subtitles is left out"]))
    assert cam.warnings == ["a track of subtitles is left out"]


class TestWake:
    async def test_everybody_who_waits_is_woken(self) -> None:
        wake = Wake()
        waiting = [asyncio.create_task(wake.wait(60)) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.to_thread(wake.set)
        async with asyncio.timeout(20):
            await asyncio.gather(*waiting)

    async def test_it_ends_after_its_time(self) -> None:
        await Wake().wait(0.01)

    async def test_who_gave_up_is_no_obstacle(self) -> None:
        wake = Wake()
        task = asyncio.create_task(wake.wait(60))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        wake.set()

    def test_a_loop_that_is_closed_is_no_obstacle(self) -> None:
        wake = Wake()
        loop = asyncio.new_event_loop()
        future = loop.create_future()
        wake._waiting[future] = loop
        loop.close()
        wake.set()
