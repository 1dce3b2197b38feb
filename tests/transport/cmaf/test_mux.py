from __future__ import annotations

import io
import itertools
from dataclasses import replace
from fractions import Fraction

import av
import pytest

from tests.transport.media.sources import picture_units, sound_units, tone
from transport.cmaf import CARRIED, Run, Sample, fragment, header
from transport.errors import WireError
from transport.media import AccessUnit, Codec, Track
from transport.media.configuration import length_prefixed


def samples(units: list[AccessUnit]) -> list[Sample]:
    """Each until the next one; the last as long as the one before."""
    lengths = [later.dts - earlier.dts for earlier, later in itertools.pairwise(units)]
    return [Sample(unit, length) for unit, length in zip(units, [*lengths, lengths[-1]], strict=True)]


def pieces(units: list[AccessUnit], count: int) -> list[list[Sample]]:
    made = samples(units)
    step = -(-len(made) // count)
    return [made[at : at + step] for at in range(0, len(made), step)]


@pytest.mark.parametrize("picture_codec", [Codec.H264, Codec.H265])
@pytest.mark.parametrize("sound_codec", [Codec.AAC, Codec.OPUS])
def test_a_player_finds_every_unit_at_its_time(picture_codec: Codec, sound_codec: Codec) -> None:
    pictures = picture_units(picture_codec, 40, options={"bf": "2"})
    sounds = sound_units(sound_codec, tone(1.6, 48_000), 48_000)
    file = header([pictures[0].track, sounds[0].track])
    halves = zip(pieces(pictures, 4), pieces(sounds, 4), strict=True)
    for number, (seen, heard) in enumerate(halves, 1):
        file += fragment(number, [Run(0, seen), Run(1, heard)])
    with av.open(io.BytesIO(file), format="mp4") as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert video.codec_context.name == {Codec.H264: "h264", Codec.H265: "hevc"}[picture_codec]
        assert (video.width, video.height) == (pictures[0].track.width, pictures[0].track.height)
        assert (audio.codec_context.name, audio.codec_context.sample_rate) == (sound_codec.value, 48_000)
        found = [
            (packet.stream.type, bytes(packet), packet.pts, packet.dts, packet.is_keyframe)
            for packet in container.demux()
            if packet.size
        ]
    assert [each for each in found if each[0] == "video"] == [
        ("video", length_prefixed(unit.data, picture_codec), unit.pts, unit.dts, unit.keyframe)
        for unit in pictures
    ]
    assert [each[1:4] for each in found if each[0] == "audio"] == [
        (unit.data, unit.pts, unit.dts) for unit in sounds
    ]


def test_pictures_are_decoded_with_the_header_alone() -> None:
    """Parameter sets stand there; those in front of keyframes are left out."""
    pictures = picture_units(Codec.H264, 10)
    file = header([pictures[0].track]) + fragment(1, [Run(0, samples(pictures))])
    with av.open(io.BytesIO(file), format="mp4") as container:
        assert len(list(container.decode(video=0))) == 10


def test_a_fragment_needs_the_header_and_none_before_it() -> None:
    pictures = picture_units(Codec.H264, 60, options={"g": "20"})
    made = samples(pictures)
    at = [number for number, unit in enumerate(pictures) if unit.keyframe][1]
    file = header([pictures[0].track]) + fragment(7, [Run(0, made[at:])])
    with av.open(io.BytesIO(file), format="mp4") as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 60 - at
    assert min(frame.pts for frame in frames) == min(unit.pts for unit in pictures[at:])


def test_pixels_that_are_not_square_are_told() -> None:
    pictures = picture_units(Codec.H264, 4)
    wide = replace(pictures[0].track, pixel_aspect=64 / 45)
    with av.open(
        io.BytesIO(header([wide]) + fragment(1, [Run(0, samples(pictures))])), format="mp4"
    ) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(64, 45)


def test_a_run_without_samples_is_left_out() -> None:
    pictures = picture_units(Codec.H264, 4)
    only = fragment(1, [Run(0, samples(pictures))])
    assert fragment(1, [Run(0, samples(pictures)), Run(1, [])]) == only


@pytest.mark.parametrize(
    "track, said",
    [
        (Track(id=1, codec=Codec.H264, clock_rate=90_000), "parameter set"),
        (Track(id=2, codec=Codec.AAC, clock_rate=90_000, channels=2), "AudioSpecificConfig"),
        (Track(id=2, codec=Codec.OPUS, clock_rate=48_000, channels=6), "6 channels"),
        (Track(id=2, codec=Codec.MP2, clock_rate=90_000, channels=2), "MP2 is not carried"),
    ],
)
def test_what_cannot_be_described_is_refused(track: Track, said: str) -> None:
    with pytest.raises(WireError, match=said):
        header([track])
    assert Codec.MP2 not in CARRIED


def test_times_count_from_where_they_are_said_to() -> None:
    pictures = picture_units(Codec.H264, 10, options={"bf": "2"})
    zero = pictures[0].dts
    file = header([pictures[0].track], has_length=True) + fragment(1, [Run(0, samples(pictures), zero)])
    with av.open(io.BytesIO(file), format="mp4") as container:
        found = [(packet.dts, packet.pts) for packet in container.demux() if packet.size]
    assert found == [(unit.dts - zero, unit.pts - zero) for unit in pictures]
    assert found[0][0] == 0
