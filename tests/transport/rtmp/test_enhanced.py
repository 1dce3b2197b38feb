"""Extended tag headers, byte by byte (Veovera's Enhanced RTMP, version 2)."""

from __future__ import annotations

import pytest

from transport.errors import WireError
from transport.rtmp.enhanced import AUDIO_MULTITRACK, VIDEO_MULTITRACK, Part, parse_parts
from transport.rtmp.flv import parse_audio_tracks, parse_video_tracks


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"\x91hvc1data", [Part(1, b"hvc1", 0, b"data")]),
        (b"\x96\x01hvc1\x07data", [Part(1, b"hvc1", 7, b"data")]),
        (
            b"\x96\x11avc1\x00\x00\x00\x02ab\x01\x00\x00\x03cde",
            [Part(1, b"avc1", 0, b"ab"), Part(1, b"avc1", 1, b"cde")],
        ),
        (
            b"\x96\x20avc1\x00\x00\x00\x02abav01\x01\x00\x00\x00",
            [Part(0, b"avc1", 0, b"ab"), Part(0, b"av01", 1, b"")],
        ),
    ],
)
def test_tracks_are_told_apart(body: bytes, expected: list[Part]) -> None:
    assert parse_parts(body, VIDEO_MULTITRACK) == expected


def test_sound_has_another_number_for_several_tracks() -> None:
    assert parse_parts(b"\x95\x01Opus\x02snd", AUDIO_MULTITRACK) == [Part(1, b"Opus", 2, b"snd")]
    tags = parse_audio_tracks(b"\x95\x11mp4a\x00\x00\x00\x01x\x01\x00\x00\x02yz")
    assert [(tag.codec, tag.track_id, tag.data) for tag in tags] == [("aac", 0, b"x"), ("aac", 1, b"yz")]


@pytest.mark.parametrize("count", [1, 3, 255, 256, 70])
def test_modifiers_are_passed_over_whatever_their_length(count: int) -> None:
    size = bytes((count - 1,)) if count < 256 else b"\xff" + (count - 1).to_bytes(2, "big")
    modifier = size + bytes(count)
    assert parse_parts(b"\x97" + modifier + b"\x03hvc1data", VIDEO_MULTITRACK) == [
        Part(3, b"hvc1", 0, b"data")
    ]
    twice = b"\x97" + modifier + b"\x07" + modifier + b"\x06\x01avc1\x02data"
    assert parse_parts(twice, VIDEO_MULTITRACK) == [Part(1, b"avc1", 2, b"data")]


def test_composition_times_are_each_tracks_own() -> None:
    tags = parse_video_tracks(b"\x96\x11avc1\x00\x00\x00\x05\x00\x00\x28ab\x01\x00\x00\x04\xff\xff\xffc")
    assert [(tag.track_id, tag.delay_ms, tag.data) for tag in tags] == [(0, 40, b"ab"), (1, -1, b"c")]
    assert all(tag.keyframe for tag in tags)
    with pytest.raises(WireError, match="2 bytes of a picture"):
        parse_video_tracks(b"\x96\x11avc1\x00\x00\x00\x02ab")


@pytest.mark.parametrize(
    "body",
    [
        b"\x91hvc",
        b"\x96",
        b"\x96\x01hvc1",
        b"\x96\x31hvc1\x00data",  # a way that is not defined
        b"\x96\x07hvc1\x00data",  # a modifier behind the tracks
        b"\x96\x11avc1\x00\x00\x00\x09ab",
        b"\x96\x11avc1\x00\x00\x00\x01a\x00\x00\x00\x01b",  # one track twice
        b"\x97",
        b"\x97\x02\x00\x00",
        b"\x97\xff\x00",
        b"\x97" + b"\x00\x00\x07" * 9 + b"\x00\x00\x01hvc1",
    ],
)
def test_what_ends_early_or_makes_no_sense_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        parse_parts(body, VIDEO_MULTITRACK)
