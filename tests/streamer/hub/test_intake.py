from __future__ import annotations

import dataclasses

from streamer.config import parse
from streamer.hub.intake import Intake
from streamer.hub.stream import Publisher, Stream
from tests.fakes.renditions import is_taken
from tests.fakes.units import AAC, H264, picture, programme, sound
from tests.fakes.wait import wait_until
from transport.media import Codec

TAKES = frozenset({Codec.H264, Codec.AAC})
H265 = dataclasses.replace(H264, codec=Codec.H265)


def published(**table: object) -> tuple[Stream, object]:
    stream = Stream("cam", parse({"streams": {"cam": table}}).streams["cam"])
    return stream, stream.publish(Publisher("one", "srt", "192.0.2.1:4000"))


def test_what_is_not_taken_as_it_is_is_made_though_its_codec_is_right() -> None:
    stream, publication = published()
    deep = dataclasses.replace(H264, profile="6e001f")
    publication.write(picture(0.0, keyframe=True, track=deep))  # type: ignore[attr-defined]
    intake = Intake(stream, TAKES, lambda: None, takes=lambda track: track.is_plain)
    assert intake.is_transcoded
    assert intake.video_codec is Codec.H264
    assert is_taken(stream.h264)
    assert intake.take() == []
    intake.close()
    assert not is_taken(stream.h264)


def test_what_the_destination_takes_passes_from_the_keyframe_that_is_at_hand() -> None:
    stream, publication = published()
    units = [picture(0.0, keyframe=True), sound(0.0), picture(0.04)]
    for unit in units:
        publication.write(unit)  # type: ignore[attr-defined]
    rung: list[int] = []
    intake = Intake(stream, TAKES, lambda: rung.append(1))
    assert [unit.data for unit in intake.take()] == [unit.data for unit in units]
    publication.write(sound(0.04))  # type: ignore[attr-defined]
    assert [unit.track.codec for unit in intake.take()] == [Codec.AAC]
    assert len(rung) == 2
    intake.restart()
    assert len(intake.take()) == 4
    intake.close()
    publication.write(picture(0.08))  # type: ignore[attr-defined]
    assert intake.take() == []
    assert not stream.source.has_sinks


def test_sound_that_came_with_the_picture_comes_with_it_in_the_order_that_it_came() -> None:
    stream, publication = published()
    before = sound(0.0, received_at=0.0)
    units = list(programme(5, received_at=1.0))
    for unit in [before, *units]:
        publication.write(unit)  # type: ignore[attr-defined]
    intake = Intake(stream, TAKES, lambda: None)
    assert [unit.data for unit in intake.take()] == [unit.data for unit in units]
    intake.follow()
    publication.write(sound(0.2))  # type: ignore[attr-defined]
    assert [unit.track.codec for unit in intake.take()] == [Codec.AAC]
    intake.close()


def test_sound_that_another_publisher_brings_is_not_heard_late() -> None:
    stream, publication = published()
    publication.write(picture(0.0, keyframe=True))  # type: ignore[attr-defined]
    intake = Intake(stream, TAKES, lambda: None)
    assert len(intake.take()) == 1
    publication.write(sound(0.0))  # type: ignore[attr-defined]
    intake.follow()
    assert intake.take() == []
    intake.close()


def test_it_wants_its_stream_while_it_is_open() -> None:
    stream, _ = published()
    intake = Intake(stream, TAKES, lambda: None)
    assert stream.demand.wait(0)
    intake.close()
    intake.close()
    assert not stream.demand.wait(0)


def test_another_codec_is_made_into_one_that_is_taken() -> None:
    stream, publication = published()
    publication.write(picture(0.0, keyframe=True, track=H265))  # type: ignore[attr-defined]
    intake = Intake(stream, TAKES, lambda: None)
    assert (intake.is_transcoded, intake.video_codec, intake.refusal) == (True, Codec.H264, "")
    assert stream.h264.active
    intake.close()
    assert not is_taken(stream.h264)
    takes_it = Intake(stream, TAKES | {Codec.H265}, lambda: None)
    assert (takes_it.is_transcoded, len(takes_it.take())) == (False, 1)
    takes_it.close()


def test_a_picture_that_is_made_has_square_pixels() -> None:
    stream, publication = published()
    track = dataclasses.replace(H264, codec=Codec.MPEG2, width=720, height=576, pixel_aspect=64 / 45)
    assert Intake(stream, TAKES, lambda: None).video_size == (0, 0)
    publication.write(picture(0.0, keyframe=True, track=track))  # type: ignore[attr-defined]
    intake = Intake(stream, TAKES, lambda: None)
    assert (intake.video_codec, intake.video_size) == (Codec.H264, (1024, 576))
    intake.close()
    takes_it = Intake(stream, TAKES | {Codec.MPEG2}, lambda: None)
    assert (takes_it.video_codec, takes_it.video_size) == (Codec.MPEG2, (720, 576))
    takes_it.close()


def test_without_renditions_the_codec_is_refused_in_words() -> None:
    stream, publication = published(renditions="off")
    publication.write(picture(0.0, keyframe=True, track=H265))  # type: ignore[attr-defined]
    intake = Intake(stream, TAKES, lambda: None)
    assert "does not take H.265" in intake.refusal
    assert not stream.h264.active
    intake.close()


def test_it_follows_a_publisher_that_comes_back_with_other_sound() -> None:
    stream, publication = published()
    publication.write(picture(0.0, keyframe=True))  # type: ignore[attr-defined]
    publication.write(sound(0.0, track=AAC))  # type: ignore[attr-defined]
    intake = Intake(stream, TAKES, lambda: None)
    publication.write(sound(0.1, track=dataclasses.replace(AAC, codec=Codec.OPUS)))  # type: ignore[attr-defined]
    intake.follow()
    assert stream.aac.active
    publication.write(sound(0.2, track=AAC))  # type: ignore[attr-defined]
    intake.follow()
    assert not is_taken(stream.aac)
    publication.write(sound(0.3, track=AAC))  # type: ignore[attr-defined]
    wait_until(lambda: any(unit.dts_s > 0 and unit.track.codec is Codec.AAC for unit in intake.take()))
    intake.close()
