"""Tags find their track and their time, and nonsense does no harm."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest

from tests.transport.rtmp.flvfile import (
    AAC_HEADER,
    MS,
    aac,
    audio,
    demuxed,
    flv_file,
    pictures,
    tags_of,
    video,
)
from transport.media import AccessUnit, Codec, Track
from transport.rtmp.demux import PICTURE_ID, FlvDemuxer
from transport.rtmp.server import Metadata, Tag


@pytest.mark.parametrize(
    ("video_encoder", "audio_encoder", "words"),
    [
        ("libsvtav1", "aac", "AV1 pictures are not supported"),
        ("flv", "aac", "Sorenson H.263 pictures are not supported"),
        ("libx264", "flac", "FLAC sound is not supported"),
        ("libx264", "pcm_s16le", "PCM sound is not supported"),
    ],
)
def test_what_cannot_be_carried_is_named_and_the_rest_is_carried(
    video_encoder: str, audio_encoder: str, words: str
) -> None:
    options = (("preset", "12"),) if video_encoder == "libsvtav1" else ()
    file = flv_file(video_encoder, audio_encoder, rate=44_100, options=options)
    demuxer, images, sounds = demuxed(tags_of(file))
    assert words in demuxer.warnings()
    assert len(demuxer.warnings()) == 1
    assert bool(images) == (video_encoder == "libx264")
    assert bool(sounds) == (audio_encoder == "aac")
    assert len(demuxer.tracks) == 1
    assert demuxer.counters.dropped > 0
    assert demuxer.counters.malformed == 0


def test_metadata_ends_and_commands_are_no_pictures() -> None:
    tags = pictures(2)
    others = [
        video(b"\x17\x02\x00\x00\x00"),
        video(b"\x57\x00"),
        video(b"\xd4hvc1\x02\x00\x09colorInfo"),
        video(b"\x92hvc1"),
        audio(b"\x94Opus\x01\x02"),
        audio(b"\x92Opus"),
    ]
    demuxer, found, sounds = demuxed([*others, *tags, *others])
    assert (len(found), sounds) == (2, [])
    assert demuxer.counters.malformed == demuxer.counters.dropped == 0
    assert demuxer.warnings() == ()


def numbered(body: bytes, track_id: int) -> bytes:
    """An extended tag's body for one numbered track."""
    four_cc = {0x17: b"avc1", 0x27: b"avc1"}[body[0]]
    kind = 0 if body[1] == 0 else 1
    data = body[5:] if kind == 0 else body[2:]
    return bytes((0x80 | body[0] & 0x70 | 6, kind)) + four_cc + bytes((track_id,)) + data


def test_of_several_tracks_the_first_is_taken() -> None:
    tags = pictures(3)
    doubled: list[Tag] = []
    for tag in tags:
        doubled += [
            video(numbered(tag.body, 0), tag.timestamp),
            video(numbered(tag.body, 1), tag.timestamp),
        ]
    demuxer, found, _ = demuxed(doubled)
    _, alone, _ = demuxed(tags)
    assert [(u.data, u.dts) for u in found] == [(u.data, u.dts) for u in alone]
    assert demuxer.warnings() == ("the stream has several tracks of pictures, only the first is used",)


def test_a_track_that_cannot_be_carried_is_not_the_first() -> None:
    config = b"\x11\x90"
    parts = b"fLaC\x00\x00\x00\x01x" + b"mp4a\x01" + len(config).to_bytes(3, "big") + config
    frames = b"fLaC\x00\x00\x00\x01x" + b"mp4a\x01\x00\x00\x03snd"
    demuxer, _, sounds = demuxed([audio(b"\x95\x20" + parts), audio(b"\x95\x21" + frames, 21)])
    assert [unit.data for unit in sounds] == [b"snd"]
    assert demuxer.warnings() == ("FLAC sound is not supported",)


def test_timestamps_begin_anywhere_and_wrap() -> None:
    start = (1 << 32) - 60
    demuxer, found, _ = demuxed(pictures(4, start_ms=start))
    assert [unit.dts for unit in found] == [(start + 40 * n) * MS for n in range(4)]
    assert demuxer.counters.clock_jumps == 0


def run(timestamps: Iterable[tuple[Tag, float]]) -> tuple[FlvDemuxer, list[AccessUnit], list[AccessUnit]]:
    demuxer = FlvDemuxer()
    units = [unit for tag, now in timestamps for unit in demuxer.take(tag, now)]
    return demuxer, [u for u in units if u.track.is_video], [u for u in units if not u.track.is_video]


@pytest.mark.parametrize("second_start_ms", [0, 60_000, 98_500, 3_600_000_000])
def test_an_encoder_whose_clock_jumps_goes_on_where_it_stood(second_start_ms: int) -> None:
    first, second = pictures(30, start_ms=100_000), pictures(30, start_ms=second_start_ms)
    tags = [(tag, n * 0.04) for n, tag in enumerate(first[1:])]
    tags += [(tag, (30 + n) * 0.04) for n, tag in enumerate(second[1:])]
    demuxer, found, _ = run([(first[0], 0.0), *tags])
    assert [unit.dts - found[0].dts for unit in found] == [
        pytest.approx(n * 40 * MS, abs=5 * MS) for n in range(60)
    ]
    assert demuxer.counters.clock_jumps == 1


def test_sound_and_picture_stay_together_when_the_clock_is_set_back() -> None:
    tags: list[tuple[Tag, float]] = []
    images = pictures(100)
    tags += [(images[0], 0.0), (audio(AAC_HEADER), 0.0)]
    for index, tag in enumerate(images[1:]):
        now = index * 0.04
        at = 10_000 + 40 * index - (2_000 if index >= 50 else 0)
        tags.append((video(tag.body, at), now))
        # Sound is set back two of its tags later.
        behind = 10_000 + 40 * index - (2_000 if index >= 52 else 0)
        tags.append((audio(b"\xaf\x01snd", behind), now))
    demuxer, found, sounds = run(tags)
    assert demuxer.counters.clock_jumps == 1
    for units in (found, sounds):
        since_s = [unit.dts_s - units[0].dts_s for unit in units]
        assert since_s == pytest.approx([index * 0.04 for index in range(100)], abs=0.06)
        assert all(a.dts <= b.dts for a, b in itertools.pairwise(units))


def test_what_is_announced_and_does_not_come_is_told_of() -> None:
    demuxer = FlvDemuxer()
    demuxer.describe(Metadata({"videocodecid": 7.0, "audiocodecid": "mp4a", "width": "nonsense"}))
    demuxed(pictures(130)[:100], demuxer)
    assert demuxer.warnings() == ()
    demuxed(pictures(130)[100:], demuxer)
    assert demuxer.warnings() == ("the encoder announces sound and sends none",)
    demuxer.describe(Metadata({"videocodecid": 7.0}))
    assert demuxer.warnings() == ()


def test_strange_codecs_are_not_collected_without_end() -> None:
    demuxer, _, _ = demuxed(video(b"\x91" + bytes((65 + n, 66, 67, 68)) + b"x") for n in range(50))
    assert len(demuxer.warnings()) == 8
    assert "codec 41424344 pictures are not supported" in demuxer.warnings()
    assert demuxer.counters.dropped == 50


@pytest.mark.parametrize(
    "tag",
    [
        video(b"\x17"),
        video(b"\x17\x01\x00\x00\x00\x00\x00\x00\x09abc"),
        video(b"\x17\x00\x00\x00\x00\x01\x64\x00"),
        video(b"\x17\x00\x00\x00\x00" + bytes(1 << 17)),
        video(b"\x17\x01\x00\x00\x00" + b"\x00\x00\x00\x01x" * 5000),
        video(b"\x17\x01\x00\x00\x00" + (40_000).to_bytes(4, "big") + b"\x00\x00\x01x" * 10_000),
        video(b"\x17\x01\x00\x00\x00" + bytes(8 << 20)),
        video(b"\x97\x00"),
        audio(b"\xaf"),
        audio(b"\xaf\x01"),
        audio(b"\xaf\x00"),
        audio(b"\xaf\x00" + b"\x11\x90" * 1000),
        audio(b"\xaf\x01" + bytes(1 << 17)),
        audio(b"\x90OpusOpusTags"),
        audio(b"\x91Opus\x03"),
        audio(b"\x91ac-3nothing"),
        audio(b"\x73x"),
    ],
)
def test_nonsense_is_counted_and_does_no_harm(tag: Tag) -> None:
    demuxer, found, sounds = demuxed([*pictures(2), audio(AAC_HEADER), tag])
    assert (len(found), sounds) == (2, [])
    assert demuxer.counters.malformed == 1
    assert demuxer.counters.tags == 5
    _, found, sounds = demuxed([*pictures(2, start_ms=80), *aac(80)], demuxer)
    assert len(found) == 2
    assert len(sounds) == 1


def test_nothing_is_known_of_nothing() -> None:
    demuxer = FlvDemuxer()
    assert demuxer.tracks == ()
    assert demuxer.warnings() == ()
    track = Track(PICTURE_ID, Codec.H264, 90_000)
    demuxer.take(video(b"\x27\x01\x00\x00\x00\x00\x00\x00\x02\x41a"), 0.0)
    assert demuxer.tracks == (track,)
