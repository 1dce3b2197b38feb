from __future__ import annotations

import dataclasses
import functools
import itertools
import threading
import time

import pytest

from streamer.hub.fanout import Fanout, FirstTrack
from streamer.hub.reader import Reader
from streamer.hub.rendition import Rendition
from tests.fakes.transcoder import TranscoderMaker
from tests.fakes.units import AAC, H264, H265, picture, sound
from tests.fakes.wait import wait_until
from tests.streamer.hub.sinks import Collector, Failing
from transport.media import Codec


@pytest.fixture
def source() -> Fanout:
    return Fanout()


@pytest.fixture
def maker() -> TranscoderMaker:
    return TranscoderMaker()


def of_sound(source: Fanout, maker: TranscoderMaker) -> Rendition:
    return Rendition("sound under test", source, video=False, make=maker)


def of_picture(source: Fanout, maker: TranscoderMaker) -> Rendition:
    return Rendition("picture under test", source, video=True, make=maker)


def running(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def test_nothing_runs_while_nobody_takes_it(source: Fanout, maker: TranscoderMaker) -> None:
    rendition = of_sound(source, maker)
    source.write(sound(0.0))
    assert not rendition.active
    assert not source.has_sinks
    assert not maker.made


def test_one_transcoder_serves_everybody(source: Fanout, maker: TranscoderMaker) -> None:
    rendition = of_sound(source, maker)
    sinks = [Collector(), Collector()]
    for sink in sinks:
        rendition.attach(sink)
    for number in range(3):
        source.write(sound(number * 0.02))
    wait_until(lambda: all(len(sink.units) == 3 for sink in sinks))
    assert len(maker.made) == 1
    assert sinks[0].units[0].track.codec is Codec.OPUS
    for sink in sinks:
        rendition.detach(sink)


def test_a_picture_starts_at_the_gop_sound_does_not(source: Fanout, maker: TranscoderMaker) -> None:
    source.write(picture(0.0, keyframe=True))
    source.write(sound(0.0))
    source.write(picture(0.04))
    pictures, sounds = of_picture(source, maker), of_sound(source, maker)
    seen, heard = Collector(), Collector()
    pictures.attach(seen)
    sounds.attach(heard)
    source.write(sound(0.04))
    wait_until(lambda: seen.seconds == [0.0, 0.04])
    wait_until(lambda: heard.seconds == [0.04])
    pictures.detach(seen)
    sounds.detach(heard)


def test_the_last_one_stops_it(source: Fanout, maker: TranscoderMaker) -> None:
    rendition = of_sound(source, maker)
    first, second = Collector(), Collector()
    rendition.attach(first)
    rendition.attach(second)
    rendition.detach(first)
    assert rendition.active
    rendition.detach(second)
    rendition.detach(second)
    assert not rendition.active
    assert not source.has_sinks
    wait_until(lambda: running("sound under test") == 0)


def test_it_starts_again_from_nothing(source: Fanout, maker: TranscoderMaker) -> None:
    rendition = of_picture(source, maker)
    sink = Collector()
    rendition.attach(sink)
    source.write(picture(0.0, keyframe=True))
    wait_until(lambda: sink.units)
    rendition.detach(sink)
    source.write(picture(0.04, keyframe=True))
    later = Collector()
    rendition.attach(later)
    wait_until(lambda: later.units)
    assert later.seconds == [0.04]
    assert len(maker.made) == 2
    rendition.detach(later)


def test_it_runs_on_for_a_while(source: Fanout, maker: TranscoderMaker) -> None:
    rendition = Rendition("cam lingers", source, video=True, make=maker, linger_s=10)
    first, second = Collector(), Collector()
    rendition.attach(first)
    source.write(picture(0.0, keyframe=True))
    wait_until(lambda: first.units)
    rendition.detach(first)
    rendition.expire(time.monotonic() + 9)
    assert (rendition.active, rendition.ended) == (True, 0)
    rendition.attach(second)
    rendition.expire(time.monotonic() + 11)
    source.write(picture(0.04))
    wait_until(lambda: second.seconds == [0.0, 0.04])  # at once from what was made before it came
    assert len(maker.made) == 1
    rendition.detach(second)
    rendition.expire(time.monotonic() + 11)
    assert (rendition.active, rendition.ended) == (False, 1)
    assert not source.has_sinks
    wait_until(lambda: running("cam lingers") == 0)


def test_it_may_be_started_before_anybody_takes_it(source: Fanout, maker: TranscoderMaker) -> None:
    rendition = Rendition("picture under test", source, video=True, make=maker, linger_s=10)
    source.write(picture(0.0, keyframe=True))
    rendition.expect()
    wait_until(lambda: maker.made)
    rendition.expire(time.monotonic() + 9)
    sink = Collector()
    rendition.attach(sink)
    wait_until(lambda: sink.seconds == [0.0])
    assert len(maker.made) == 1
    rendition.detach(sink)
    rendition.retire()


def test_its_thread_ends_it_when_nobody_comes(source: Fanout, maker: TranscoderMaker) -> None:
    rendition = Rendition("cam alone", source, video=True, make=maker, linger_s=0.1)
    rendition.expect()
    assert rendition.active
    wait_until(lambda: running("cam alone") == 0)
    assert not rendition.active
    assert not source.has_sinks


def test_retired_it_lingers_no_more(source: Fanout, maker: TranscoderMaker) -> None:
    rendition = Rendition("picture under test", source, video=True, make=maker, linger_s=10)
    rendition.expect()
    rendition.retire()
    assert not rendition.active
    rendition.expect()
    assert not rendition.active
    sink = Collector()
    rendition.attach(sink)
    assert rendition.active
    rendition.detach(sink)
    assert not rendition.active


def test_another_codec_gets_another_transcoder(source: Fanout, maker: TranscoderMaker) -> None:
    rendition = of_picture(source, maker)
    sink = Collector()
    rendition.attach(sink)
    source.write(picture(0.0, keyframe=True, track=H264))
    source.write(picture(0.04, keyframe=True, track=H265))
    wait_until(lambda: len(sink.units) == 2)
    assert [made.track for made in maker.made] == [H264, H265]
    rendition.detach(sink)


def test_another_codec_under_another_id_is_the_only_track(source: Fanout, maker: TranscoderMaker) -> None:
    rendition = of_sound(source, maker)
    sink = Collector()
    first = FirstTrack(rendition.out, sink, video=False)
    rendition.attach(first)
    source.declare((AAC,))
    source.write(sound(0.0))
    wait_until(lambda: sink.seconds == [0.0])
    other = dataclasses.replace(AAC, id=AAC.id + 1, codec=Codec.MP2)
    source.declare((other,))
    source.write(sound(0.02, track=other))
    wait_until(lambda: sink.seconds == [0.0, 0.02])
    assert [track.id for track in rendition.out.tracks] == [other.id]
    rendition.detach(first)


@pytest.mark.parametrize("where", ["building it", "transcoding"])
def test_a_transcoder_that_fails_is_replaced(
    source: Fanout, maker: TranscoderMaker, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    rendition = of_sound(source, maker)
    sink = Collector()
    rendition.attach(sink)
    if where == "building it":
        maker.fails = 2
    else:
        source.write(sound(0.0))
        wait_until(lambda: sink.units)
        maker.made[0].fails = 1
    for number in range(1, 6):
        source.write(sound(number * 0.02))
    wait_until(lambda: sink.units and sink.seconds[-1] == 0.1)
    assert rendition.active
    assert caplog.text.count("failed, starting over") == 1
    rendition.detach(sink)


def test_a_sink_that_fails_leaves_the_others_theirs(source: Fanout, maker: TranscoderMaker) -> None:
    rendition = of_sound(source, maker)
    good, bad = Collector(), Failing()
    rendition.attach(bad)
    rendition.attach(good)
    for number in range(3):
        source.write(sound(number * 0.02))
    wait_until(lambda: len(good.units) == 3)
    assert bad.calls == 1
    rendition.detach(bad)
    assert rendition.active
    rendition.detach(good)
    assert not rendition.active


def test_a_keyframe_is_made_on_request(source: Fanout, maker: TranscoderMaker) -> None:
    rendition = of_picture(source, maker)
    rendition.request_keyframe()  # nobody there: no matter
    sink = Collector()
    rendition.attach(sink)
    source.write(picture(0.0, keyframe=True))
    wait_until(lambda: sink.units)
    rendition.request_keyframe()
    rendition.request_keyframe()
    source.write(picture(0.04))
    wait_until(lambda: len(sink.units) == 2)
    assert maker.made[0].keyframes_wanted == 1
    rendition.detach(sink)


def test_a_slow_transcoder_skips_and_never_holds_up_the_publisher(
    source: Fanout, maker: TranscoderMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.hub.rendition.Reader", functools.partial(Reader, max_wait_s=0.5))
    rendition = of_picture(source, maker)
    sink = Collector()
    rendition.attach(sink)
    source.write(picture(0.0, keyframe=True))
    wait_until(lambda: sink.units)
    maker.made[0].go.clear()
    numbers = itertools.count(1)

    def publish() -> float:
        number = next(numbers)
        source.write(picture(number * 0.04, keyframe=number % 50 == 0))
        return number * 0.04

    wait_until(lambda: publish() and rendition.skipped > 100)
    start_s = [publish() for _ in range(200)][-1]
    maker.made[0].go.set()
    wait_until(lambda: publish() and sink.units[-1].dts_s > start_s)
    wait_until(lambda: not maker.made[0].late[-1])
    assert any(maker.made[0].late)
    rendition.detach(sink)
    assert rendition.skipped == 0


def test_coming_and_going_in_many_threads_leaves_nothing(source: Fanout, maker: TranscoderMaker) -> None:
    rendition = of_sound(source, maker)
    done = threading.Event()

    def publish() -> None:
        number = 0
        while not done.is_set():
            source.write(sound((number := number + 1) * 0.02))

    def come_and_go() -> None:
        for _ in range(30):
            sink = Collector()
            rendition.attach(sink)
            rendition.detach(sink)

    publisher = threading.Thread(target=publish)
    publisher.start()
    others = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join()
    done.set()
    publisher.join()
    assert not rendition.active
    assert not source.has_sinks
    assert not rendition.out.has_sinks
    wait_until(lambda: running("sound under test") == 0)


def test_the_track_it_reads_is_the_first(source: Fanout, maker: TranscoderMaker) -> None:
    second = dataclasses.replace(AAC, id=7)
    rendition = of_sound(source, maker)
    sink = Collector()
    rendition.attach(sink)
    source.declare((AAC, second))
    source.write(sound(0.0, track=second))
    source.write(sound(0.02))
    wait_until(lambda: sink.units)
    assert sink.seconds == [0.02]
    rendition.detach(sink)
