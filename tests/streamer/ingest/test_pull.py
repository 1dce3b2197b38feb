from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from streamer.config import Config, parse
from streamer.encryption import Leg
from streamer.errors import NoSuchStream
from streamer.hub.registry import Registry
from streamer.hub.stream import Publisher, State, Stream
from streamer.ingest.pull import PullIngest, RtspPull, Source, SrtPull, make_source
from streamer.sections.stream import StreamConfig
from tests.fakes.units import AAC, H264, picture
from tests.fakes.wait import wait_until
from tests.transport.rtsp.camera import MOUNTS, camera
from transport.errors import LinkError
from transport.media import AccessUnit, Codec, Track

PASSWORD = "password-of-the-camera"
CAMERA: dict[str, Any] = {"source": f"rtsp://admin:{PASSWORD}@192.0.2.1/1"}


class FakeSource:
    """A camera that does what the test puts into it: units, or the error it ends with."""

    tracks: tuple[Track, ...] = (H264, AAC)

    def __init__(self, refuses: Exception | None = None) -> None:
        self.comes: queue.SimpleQueue[AccessUnit | Exception | None] = queue.SimpleQueue()
        self.refuses = refuses
        self.closed = False
        self.may_open = threading.Event()
        self.may_open.set()

    def open(self) -> tuple[Track, ...]:
        self.may_open.wait()
        if self.refuses is not None:
            raise self.refuses
        return self.tracks

    def units(self) -> Iterator[AccessUnit]:
        while (item := self.comes.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item

    def describe(self) -> dict[str, object]:
        return {"rtsp": {"packets": 1}}

    def warnings(self) -> Iterable[str]:
        return ["subtitles are left out"]

    def encryption(self) -> Leg | None:
        return None

    def close(self) -> None:
        self.closed = True
        self.may_open.set()
        self.comes.put(None)


class Rig:
    def __init__(self) -> None:
        self.made: list[FakeSource] = []
        self.refuses: list[Exception] = []
        self.is_slow_from = 1 << 30  # so many are made before one that takes its time to open
        self.registry = Registry()
        self.ingest = PullIngest(parse({}), self.registry, self._make)

    def _make(self, stream: StreamConfig, config: Config) -> Source:
        self.made.append(FakeSource(self.refuses.pop(0) if self.refuses else None))
        if len(self.made) > self.is_slow_from:
            self.made[-1].may_open.clear()
        return self.made[-1]

    def pull(self, **config: object) -> Stream:
        self.registry.apply({"cam": StreamConfig.model_validate(CAMERA | config)})
        return self.registry.find("cam")

    def source(self, number: int = 0) -> FakeSource:
        wait_until(lambda: len(self.made) > number, "the source to be opened")
        return self.made[number]


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.registry.apply({})
    rig.ingest.close()


def is_live(stream: Stream) -> Callable[[], bool]:
    return lambda: stream.state is State.LIVE and stream.source.keyframe is not None


def test_it_publishes_what_comes(rig: Rig) -> None:
    cam = rig.pull()
    rig.source().comes.put(picture(0.0, keyframe=True))
    wait_until(is_live(cam))
    assert cam.source.tracks == (H264, AAC)
    assert cam.ingest.state == "live"
    publisher = cam.publisher
    assert publisher is not None
    assert publisher.protocol == "rtsp"
    assert PASSWORD not in publisher.address
    assert publisher.describe() == {"rtsp": {"packets": 1}}
    assert cam.warnings == ["subtitles are left out"]


def test_streams_that_are_published_are_left_alone(rig: Rig) -> None:
    rig.registry.apply({"cam": StreamConfig()})
    assert rig.made == []


class TestFailures:
    def test_it_tries_again_and_says_why(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        rig.refuses = [LinkError("unauthorized", "the camera refused the password")]
        cam = rig.pull()
        wait_until(lambda: cam.ingest.state == "retrying")
        assert cam.ingest.reason == "the camera refused the password"
        assert rig.made[0].closed
        rig.source(1).comes.put(picture(0.0, keyframe=True))
        wait_until(is_live(cam))
        assert cam.ingest.reason == ""
        assert PASSWORD not in caplog.text

    def test_why_it_failed_is_told_while_it_is_tried_again(self, rig: Rig) -> None:
        rig.refuses = [LinkError("timeout", "no media from the camera")]
        rig.is_slow_from = 1
        cam = rig.pull()
        wait_until(lambda: len(rig.made) == 2)
        assert (cam.ingest.state, cam.ingest.reason) == ("connecting", "no media from the camera")
        rig.source(1).may_open.set()
        rig.source(1).comes.put(picture(0.0, keyframe=True))
        wait_until(is_live(cam))
        assert cam.ingest.reason == ""

    def test_a_camera_that_breaks_is_fetched_again_and_outputs_stay(self, rig: Rig) -> None:
        cam = rig.pull()
        rig.source().comes.put(picture(0.0, keyframe=True))
        wait_until(is_live(cam))
        rig.made[0].comes.put(LinkError("silent", "the camera fell silent"))
        wait_until(lambda: cam.ingest.state == "retrying")
        assert cam.state is State.AWAY
        assert cam.ingest.reason == "the camera fell silent"
        rig.source(1).comes.put(picture(77.0, keyframe=True))
        wait_until(is_live(cam))
        assert rig.made[0].closed

    def test_one_that_just_ends(self, rig: Rig) -> None:
        cam = rig.pull()
        rig.source().comes.put(None)
        wait_until(lambda: cam.ingest.reason == "the source ended")

    @pytest.mark.parametrize("error", [ValueError("a bug"), LinkError("ended", "x")])
    def test_no_trouble_ends_the_thread(
        self, rig: Rig, error: Exception, caplog: pytest.LogCaptureFixture
    ) -> None:
        cam = rig.pull()
        rig.source().comes.put(error)
        rig.source(1).comes.put(picture(0.0, keyframe=True))
        wait_until(is_live(cam))

    def test_one_that_cannot_even_be_built(self, caplog: pytest.LogCaptureFixture) -> None:
        calls: list[str] = []

        def make(stream: StreamConfig, config: Config) -> Source:
            calls.append(stream.source)
            raise ValueError("a bug") if len(calls) == 1 else LinkError("unsupported", "not an address")

        registry = Registry()
        ingest = PullIngest(parse({}), registry, make)
        registry.apply({"cam": StreamConfig.model_validate(CAMERA)})
        cam = registry.find("cam")
        wait_until(lambda: cam.ingest.reason == "not an address")
        assert len(calls) == 2
        ingest.close()

    def test_pauses_grow(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        rig.refuses = [LinkError("refused", "no")] * 3
        rig.pull()
        wait_until(lambda: caplog.text.count("trying again") >= 3)
        pauses = [float(text) for text in re.findall(r"trying again in ([\d.]+) s", caplog.text)]
        # 0.5, 1 and 2 s, each up to a fifth more or less.
        assert pauses[0] < pauses[1] < pauses[2] <= 2.4

    def test_why_it_fails_is_not_said_again_for_days(
        self, rig: Rig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("streamer.ingest.pull._FIRST_PAUSE_S", 0.01)
        monkeypatch.setattr("streamer.ingest.pull._LONGEST_PAUSE_S", 0.02)
        rig.refuses = [LinkError("timeout", "no answer")] * 9 + [LinkError("refused", "nothing listens")] * 9
        rig.pull()
        wait_until(lambda: len(rig.made) >= 18)
        assert caplog.text.count("cam: no answer; trying again") == 2
        assert caplog.text.count("cam: nothing listens; trying again") == 1

    def test_somebody_else_publishes_it(self, rig: Rig) -> None:
        cam = Stream("cam", StreamConfig.model_validate(CAMERA))
        publication = cam.publish(Publisher("other", "srt", "192.0.2.7"))
        for added in rig.registry.on_add:
            added(cam)
        wait_until(lambda: "192.0.2.7" in cam.ingest.reason)
        assert cam.publisher is publication.publisher
        for removed in rig.registry.on_remove:
            removed(cam)


class TestStop:
    def test_a_removed_stream_ends_its_pull(self, rig: Rig) -> None:
        cam = rig.pull()
        rig.source().comes.put(picture(0.0, keyframe=True))
        wait_until(is_live(cam))
        rig.registry.apply({})
        wait_until(lambda: rig.made[0].closed)
        wait_until(lambda: cam.ingest.state == "stopped")
        assert cam.publisher is None
        with pytest.raises(NoSuchStream):
            rig.registry.find("cam")

    def test_a_changed_address_is_fetched_anew(self, rig: Rig) -> None:
        rig.pull()
        rig.source().comes.put(picture(0.0, keyframe=True))
        cam = rig.pull(source="rtsp://192.0.2.2/2")
        rig.source(1).comes.put(picture(0.0, keyframe=True))
        wait_until(is_live(cam))
        assert rig.made[0].closed

    def test_while_it_pauses(self, rig: Rig) -> None:
        rig.refuses = [LinkError("refused", "no")] * 9
        cam = rig.pull()
        wait_until(lambda: cam.ingest.state == "retrying")
        rig.registry.apply({})
        rig.ingest.close()
        assert cam.ingest.state == "stopped"

    def test_while_nobody_wants_it(self, rig: Rig) -> None:
        cam = rig.pull(on_demand=True)
        wait_until(lambda: cam.ingest.state == "idle")
        rig.ingest.close()
        assert rig.made == []


class TestOnDemand:
    def test_it_is_fetched_while_somebody_watches(self, rig: Rig) -> None:
        cam = rig.pull(on_demand=True, on_demand_idle_s=0.5)
        wait_until(lambda: cam.ingest.state == "idle")
        assert rig.made == []
        cam.demand.acquire()
        first = rig.source()
        first.comes.put(picture(0.0, keyframe=True))
        wait_until(is_live(cam))
        cam.demand.release()
        number = 0

        def still_comes() -> bool:
            nonlocal number
            first.comes.put(picture((number := number + 1) * 0.04))
            return first.closed

        wait_until(still_comes, "the pull to end")
        wait_until(lambda: cam.ingest.state == "idle")
        assert cam.publisher is None
        cam.demand.acquire()
        rig.source(1).comes.put(picture(0.0, keyframe=True))
        wait_until(is_live(cam))

    def test_without_it_nobody_needs_to_watch(self, rig: Rig) -> None:
        cam = rig.pull(on_demand=False, on_demand_idle_s=0.5)
        rig.source().comes.put(picture(0.0, keyframe=True))
        wait_until(is_live(cam))


class TestRtspPull:
    def test_what_the_frames_tell_of_a_track_stays_known(self) -> None:
        """The camera's description calls all layers of MPEG audio the same."""
        with camera({"/mp3": MOUNTS["/mp3"]}) as device:
            pull = RtspPull(device.url("/mp3"), parse({"streams": {"cam": CAMERA}}).streams["cam"])
            assert [track.codec for track in pull.open()] == [Codec.H264, Codec.MP2]
            for unit in pull.units():
                assert unit.track in pull.tracks
                if unit.track.codec is Codec.MP3:
                    break
            pull.close()
        assert [track.codec for track in pull.tracks] == [Codec.H264, Codec.MP3]


class TestMake:
    @pytest.mark.parametrize(
        ("source", "kind"),
        [
            ("rtsp://192.0.2.1/", RtspPull),
            ("rtsps://192.0.2.1/", RtspPull),
            ("srt://192.0.2.1:9000?passphrase=from-the-address", SrtPull),
        ],
    )
    def test_by_the_scheme(self, source: str, kind: type[Source]) -> None:
        made = make_source(StreamConfig.model_validate({"source": source}), parse({}))
        assert isinstance(made, kind)
        made.close()
        made.close()

    def test_one_closed_before_it_was_opened_does_not_connect(self) -> None:
        config = StreamConfig.model_validate({"source": "srt://127.0.0.1:9"})
        source = make_source(config, parse({}))
        source.close()
        with pytest.raises(LinkError) as caught:
            source.open()
        assert caught.value.reason == "ended"
