from __future__ import annotations

import dataclasses
import itertools
import threading

import pytest

from streamer.hub.fanout import Fanout, FirstTrack
from tests.fakes.units import AAC, H264, H264_B_FRAMES, H265, OPUS, picture, sound
from tests.streamer.hub.sinks import Collector, Failing


@pytest.fixture
def fanout() -> Fanout:
    return Fanout()


class TestSinks:
    def test_everybody_gets_the_same_object(self, fanout: Fanout) -> None:
        sinks = [Collector(), Collector()]
        for sink in sinks:
            fanout.attach(sink)
        unit = picture(0.0, keyframe=True)
        fanout.write(unit)
        assert sinks[0].units[0] is unit
        assert sinks[1].units[0] is unit

    def test_a_late_one_gets_the_gop_first(self, fanout: Fanout) -> None:
        for number in range(5):
            fanout.write(picture(number * 0.04, keyframe=number in (0, 3)))
        late = Collector()
        fanout.attach(late)
        fanout.write(picture(0.2))
        assert late.seconds == [0.12, 0.16, 0.2]

    def test_or_not_when_it_wants_none(self, fanout: Fanout) -> None:
        fanout.write(picture(0.0, keyframe=True))
        late = Collector()
        fanout.attach(late, replay=False)
        assert late.units == []

    def test_after_detach_nothing_comes(self, fanout: Fanout) -> None:
        sink = Collector()
        fanout.attach(sink)
        fanout.detach(sink)
        fanout.detach(sink)
        fanout.write(picture(0.0, keyframe=True))
        assert sink.units == []
        assert not fanout.has_sinks

    def test_a_failing_one_is_detached_and_hurts_nobody(
        self, fanout: Fanout, caplog: pytest.LogCaptureFixture
    ) -> None:
        before, failing, after = Collector(), Failing(after=1), Collector()
        for sink in (before, failing, after):
            fanout.attach(sink)
        for number in range(4):
            fanout.write(picture(number * 0.04, keyframe=number == 0))
        assert before.units == after.units
        assert len(after.units) == 4
        assert failing.calls == 2
        assert "detached" in caplog.text

    def test_one_that_fails_at_the_replay_is_not_attached(self, fanout: Fanout) -> None:
        fanout.write(picture(0.0, keyframe=True))
        with pytest.raises(RuntimeError):
            fanout.attach(Failing())
        assert not fanout.has_sinks

    def test_one_may_detach_itself_while_it_takes_a_unit(self, fanout: Fanout) -> None:
        class Once(Collector):
            def write(self, unit):  # type: ignore[no-untyped-def]
                super().write(unit)
                fanout.detach(self)

        once, other = Once(), Collector()
        fanout.attach(once)
        fanout.attach(other)
        fanout.write(picture(0.0, keyframe=True))
        fanout.write(picture(0.04))
        assert len(once.units) == 1
        assert len(other.units) == 2

    def test_replay_and_live_units_never_overtake_each_other(self, fanout: Fanout) -> None:
        done = threading.Event()
        sinks: list[Collector] = []

        def publish() -> None:
            for number in range(3000):
                fanout.write(picture(number * 0.04, keyframe=number % 50 == 0))
            done.set()

        thread = threading.Thread(target=publish)
        thread.start()
        while not done.is_set():
            sinks.append(Collector())
            fanout.attach(sinks[-1])
            if len(sinks) > 20:
                fanout.detach(sinks[-20])
        thread.join()
        for sink in sinks:
            steps = {round(b - a, 3) for a, b in itertools.pairwise(sink.seconds)}
            assert steps <= {0.04}
            assert not sink.units or sink.units[0].keyframe


class TestTracks:
    def test_they_are_learned_from_units(self) -> None:
        changes: list[tuple[int, ...]] = []
        fanout = Fanout(lambda: changes.append(tuple(track.id for track in fanout.tracks)))
        fanout.write(sound(0.0))
        fanout.write(picture(0.0, keyframe=True))
        fanout.write(picture(0.04))
        assert changes == [(2,), (1, 2)]
        assert fanout.video is H264
        assert fanout.audio is AAC

    def test_a_changed_parameter_is_told(self) -> None:
        changes: list[object] = []
        fanout = Fanout(lambda: changes.append(fanout.video))
        fanout.write(picture(0.0, keyframe=True))
        fanout.write(picture(0.04, track=dataclasses.replace(H264)))  # equal: nothing new
        fanout.write(picture(0.08, keyframe=True, track=H264_B_FRAMES))
        assert changes == [H264, H264_B_FRAMES]

    def test_declared_ones_count_before_their_first_unit(self, fanout: Fanout) -> None:
        fanout.declare((H264, AAC))
        assert fanout.tracks == (H264, AAC)
        assert fanout.is_first(H264)

    def test_what_units_said_of_a_track_is_kept(self, fanout: Fanout) -> None:
        bare = dataclasses.replace(H264, profile="", width=0, height=0)
        fanout.declare((bare,))
        fanout.write(picture(0.0, keyframe=True))
        fanout.declare((bare, AAC))
        assert fanout.video is H264

    def test_but_not_of_another_codec(self, fanout: Fanout) -> None:
        fanout.write(picture(0.0, keyframe=True))
        fanout.declare((H265,))
        assert fanout.video is H265

    def test_what_is_not_declared_any_more_is_gone(self, fanout: Fanout) -> None:
        fanout.declare((H264, AAC))
        fanout.declare((H264,))
        assert fanout.audio is None
        assert not fanout.is_first(AAC)

    def test_nor_what_only_a_unit_told_of(self, fanout: Fanout) -> None:
        fanout.declare((AAC,))
        fanout.write(picture(0.0, keyframe=True))
        fanout.declare((AAC,))
        assert fanout.video is None

    def test_the_same_declaration_again_tells_nobody(self) -> None:
        changes: list[None] = []
        fanout = Fanout(lambda: changes.append(None))
        for _ in range(3):
            fanout.declare((H264, AAC))
        assert len(changes) == 1

    def test_forget_drops_the_gop_and_keeps_the_rest(self, fanout: Fanout) -> None:
        sink = Collector()
        fanout.attach(sink)
        fanout.write(picture(0.0, keyframe=True))
        fanout.forget()
        assert fanout.keyframe is None
        assert fanout.tracks == (H264,)
        late = Collector()
        fanout.attach(late)
        assert late.units == []
        fanout.write(picture(0.04))
        assert len(sink.units) == 2


class TestFirstTrack:
    def test_only_one_of_each_kind_passes(self, fanout: Fanout) -> None:
        second = dataclasses.replace(OPUS, id=3)
        seen, heard = Collector(), Collector()
        fanout.attach(FirstTrack(fanout, seen, video=True))
        fanout.attach(FirstTrack(fanout, heard, video=False))
        fanout.declare((H264, AAC, second))
        for unit in (picture(0.0, keyframe=True), sound(0.0), sound(0.0, track=second)):
            fanout.write(unit)
        assert [unit.track.id for unit in seen.units] == [1]
        assert [unit.track.id for unit in heard.units] == [2]

    def test_a_sound_that_is_only_declared_is_not_waited_for(self) -> None:
        changes: list[None] = []
        fanout = Fanout(lambda: changes.append(None))
        second = dataclasses.replace(OPUS, id=3)
        heard = Collector()
        fanout.attach(FirstTrack(fanout, heard, video=False))
        fanout.declare((H264, AAC, second))
        before = len(changes)
        for number in range(100):
            fanout.write(sound(number / 50, track=second, received_at=number / 50))
            fanout.declare((H264, AAC, second))
        assert heard.seconds[0] == 1.0
        assert (fanout.audio, len(changes)) == (second, before + 1)
        fanout.write(sound(2.0, received_at=2.0))
        fanout.write(sound(2.0, track=second, received_at=2.0))
        assert {unit.track.id for unit in heard.units} == {3}, "no change of language in the middle"
        fanout.forget()
        assert fanout.audio == AAC, "the next publisher may have it"

    def test_the_second_sound_may_come_a_little_earlier(self, fanout: Fanout) -> None:
        second = dataclasses.replace(OPUS, id=3)
        heard = Collector()
        fanout.attach(FirstTrack(fanout, heard, video=False))
        fanout.declare((AAC, second))
        for number in range(100):
            fanout.write(sound(number / 50, track=second, received_at=number / 50))
            if number > 40:
                fanout.write(sound(number / 50, received_at=number / 50))
        assert {unit.track.id for unit in heard.units} == {2}

    def test_the_next_one_takes_over_when_the_first_is_gone(self, fanout: Fanout) -> None:
        second = dataclasses.replace(OPUS, id=3)
        heard = Collector()
        fanout.attach(FirstTrack(fanout, heard, video=False))
        fanout.declare((AAC, second))
        fanout.write(sound(0.0, track=second))
        fanout.declare((second,))
        fanout.write(sound(0.02, track=second))
        assert heard.seconds == [0.02]
