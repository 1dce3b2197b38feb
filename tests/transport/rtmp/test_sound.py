"""Sound out of tags: as libav reads the same file, and on the grid of its samples."""

from __future__ import annotations

import io
import itertools

import av
import pytest

from tests.transport.media.sources import sound_units, tone
from tests.transport.rtmp.flvfile import (
    AAC_HEADER,
    aac,
    audio,
    demuxed,
    flv_file,
    tags_of,
)
from transport.media import Codec
from transport.rtmp.demux import SOUND_ID


@pytest.mark.parametrize(
    ("encoder", "codec", "rate", "samples", "channels"),
    [
        ("aac", Codec.AAC, 44_100, 1024, 2),
        ("aac", Codec.AAC, 48_000, 1024, 2),
        ("libopus", Codec.OPUS, 48_000, 960, 2),
        ("ac3", Codec.AC3, 44_100, 1536, 2),
    ],
)
def test_sound_is_what_libav_reads_on_the_grid_of_its_samples(
    encoder: str, codec: Codec, rate: int, samples: int, channels: int
) -> None:
    file = flv_file("libx264", encoder, rate=rate)
    demuxer, _, units = demuxed(tags_of(file))
    with av.open(io.BytesIO(file)) as container:
        packets = [packet for packet in container.demux(container.streams.audio[0]) if packet.size]
    assert [unit.data for unit in units] == [bytes(packet) for packet in packets]
    for unit, packet in zip(units, packets, strict=True):
        assert packet.pts is not None
        assert abs(unit.pts * 1000 / rate - packet.pts) <= 2
        assert unit.dts == unit.pts
        assert unit.keyframe
    steps = {b.pts - a.pts for a, b in itertools.pairwise(units)}
    assert steps == {samples}
    track = demuxer.tracks[1]
    assert track == units[-1].track
    assert (track.id, track.codec, track.clock_rate) == (SOUND_ID, codec, rate)
    assert (track.sample_rate, track.channels) == (rate, channels)
    assert len(track.parameter_sets) == (codec is Codec.AAC)
    assert demuxer.warnings() == ()
    assert demuxer.counters.dropped == demuxer.counters.malformed == 0


@pytest.mark.parametrize(
    ("encoder", "codec", "layout"),
    [("pcm_alaw", Codec.PCMA, "mono"), ("pcm_mulaw", Codec.PCMU, "stereo")],
)
def test_telephone_sound(encoder: str, codec: Codec, layout: str) -> None:
    file = flv_file("libx264", encoder, rate=8_000, layout=layout)
    demuxer, _, units = demuxed(tags_of(file))
    channels = 1 if layout == "mono" else 2
    track = demuxer.tracks[1]
    assert (track.codec, track.sample_rate, track.clock_rate, track.channels) == (codec, 8000, 8000, channels)
    assert sum(len(unit.data) for unit in units) == 2 * 8000 * channels
    for before, unit in itertools.pairwise(units):
        assert unit.pts - before.pts == len(before.data) // channels


def test_surround_in_opus_says_its_channels() -> None:
    _, _, units = demuxed(tags_of(flv_file("", "libopus", layout="5.1")))
    assert {unit.track.channels for unit in units} == {6}


def test_nanoseconds_are_passed_over() -> None:
    tag = b"\x97\x02\x07\xa1\x20\x01mp4asnd"
    _, _, sounds = demuxed([audio(b"\x90mp4a\x11\x90"), audio(tag, 100)])
    assert [(unit.data, unit.pts) for unit in sounds] == [(b"snd", 4800)]


def test_sound_follows_timestamps_that_leave_its_grid() -> None:
    _, _, sounds = demuxed([audio(AAC_HEADER), *aac(0, 25, 40, 64, 128, 149)])
    # Jitter is evened out; where a frame is missing there is a hole.
    assert [unit.pts for unit in sounds] == [0, 1024, 2048, 3072, 128 * 48, 128 * 48 + 1024]


def test_a_configuration_may_be_repeated_and_changed() -> None:
    other = audio(b"\xaf\x00\x12\x08", 42)  # 44.1 kHz, mono
    demuxer, _, sounds = demuxed(
        [audio(AAC_HEADER), *aac(0), audio(AAC_HEADER), *aac(21), other, *aac(42, 65), other]
    )
    assert [unit.pts for unit in sounds[:2]] == [0, 1024]
    assert sounds[0].track is sounds[1].track
    track = sounds[2].track
    assert (track.id, track.sample_rate, track.clock_rate, track.channels) == (SOUND_ID, 44_100, 44_100, 1)
    assert track.parameter_sets == (b"\x12\x08",)
    assert sounds[3].pts - sounds[2].pts == 1024
    assert abs(sounds[2].pts_s - 0.042) < 0.002
    assert [b.dts_s >= a.dts_s for a, b in itertools.pairwise(sounds)] == [True] * 3
    assert demuxer.tracks == (track,)


def test_sound_without_a_configuration_or_with_one_that_is_not_supported_is_told_of() -> None:
    demuxer, _, sounds = demuxed(aac(0, 21))
    assert sounds == []
    assert demuxer.counters.dropped == 2
    assert demuxer.warnings() == ("the sound comes without its configuration (AudioSpecificConfig)",)
    xhe = audio(b"\xaf\x00\xf9\x48\x00\x00")  # object type 42
    _, _, sounds = demuxed([xhe, *aac(42)], demuxer)
    assert sounds == []
    assert demuxer.warnings() == ("AAC object type 42 is not supported",)
    _, _, sounds = demuxed([audio(AAC_HEADER), *aac(64)], demuxer)
    assert len(sounds) == 1
    assert demuxer.warnings() == ()


@pytest.mark.parametrize(
    ("first", "codec"),
    [(b"\x91ac-3", Codec.AC3), (b"\x91ec-3", Codec.EAC3), (b"\x91.mp3", Codec.MP3), (b"\x2f", Codec.MP3)],
)
def test_frames_that_say_what_they_are_are_taken_apart(first: bytes, codec: Codec) -> None:
    coded = sound_units(codec, tone(0.2, 48_000), 48_000)
    one, two = (unit.data for unit in coded[1:3])
    demuxer, _, sounds = demuxed([audio(first + one + two)])
    assert [unit.data for unit in sounds] == [one, two]
    track = sounds[0].track
    assert (track.codec, track.sample_rate, track.channels) == (codec, 48_000, coded[0].track.channels)
    assert sounds[1].pts - sounds[0].pts == (1152 if codec is Codec.MP3 else 1536)
    assert demuxer.warnings() == ()
    _, _, sounds = demuxed([audio(first + one + two[:-1])], demuxer)
    assert sounds == []
    assert demuxer.counters.malformed == 1


def test_e_ac3_under_the_name_of_ac3_is_what_it_is() -> None:
    unit = sound_units(Codec.EAC3, tone(0.1, 48_000), 48_000)[0]
    _, _, sounds = demuxed([audio(b"\x91ac-3" + unit.data)])
    assert [each.track.codec for each in sounds] == [Codec.EAC3]
