from __future__ import annotations

from dataclasses import replace

import pytest

from tests.transport.media.sources import picture_units
from transport.errors import WireError
from transport.media import Codec, Track
from transport.media.annexb import split_annexb
from transport.media.configuration import (
    length_prefixed,
    nal_length_bytes,
    split_length_prefixed,
    video_configuration,
)
from transport.media.parameter_sets import parameter_sets_from_extradata


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p"])
def test_the_way_back_finds_the_same_sets(codec: Codec, pix_fmt: str) -> None:
    track = picture_units(codec, 1, fmt=pix_fmt)[0].track
    record = video_configuration(track)
    assert record[0] == 1
    assert parameter_sets_from_extradata(codec, record) == track.parameter_sets


def test_avcc_byte_by_byte() -> None:
    sps, pps = bytes.fromhex("6742c01fd9005005bb016a02020280000003008000001e478c1924"), b"\x68\xcb\x83"
    track = Track(1, Codec.H264, 90_000, (sps, pps))
    assert video_configuration(track) == (
        b"\x01\x42\xc0\x1f\xff\xe1" + len(sps).to_bytes(2, "big") + sps + b"\x01\x00\x03" + pps
    )


def test_high_profiles_say_their_chroma() -> None:
    track = picture_units(Codec.H264, 1, fmt="yuv422p")[0].track
    assert track.profile.startswith("7a")
    assert video_configuration(track)[-4:] == bytes((0xFE, 0xF8, 0xF8, 0))


def test_hvcc_takes_profile_and_level_over() -> None:
    track = picture_units(Codec.H265, 1)[0].track
    record = video_configuration(track)
    assert record[1] & 31 == 1
    assert record[13:21] == bytes((0xF0, 0, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0))
    assert record[21] & 3 == 3
    assert record[22] == 3


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_without_sets_there_is_no_configuration(codec: Codec) -> None:
    track = picture_units(codec, 1)[0].track
    with pytest.raises(WireError, match="no configuration"):
        video_configuration(replace(track, parameter_sets=track.parameter_sets[:1]))


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_pictures_get_lengths_and_lose_their_parameter_sets(codec: Codec) -> None:
    unit = picture_units(codec, 1)[0]
    nals = [nal for nal in split_annexb(unit.data) if nal not in unit.track.parameter_sets]
    assert len(nals) < len(split_annexb(unit.data))
    expected = b"".join(len(nal).to_bytes(4, "big") + nal for nal in nals)
    assert length_prefixed(unit.data, codec) == expected


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_a_configuration_says_how_long_lengths_are(codec: Codec) -> None:
    record = bytearray(video_configuration(picture_units(codec, 1)[0].track))
    at = 4 if codec is Codec.H264 else 21
    for length_bytes in (1, 2, 4):
        record[at] = record[at] & 0xFC | length_bytes - 1
        assert nal_length_bytes(bytes(record), codec) == length_bytes
    assert nal_length_bytes(bytes(record[:at]), codec) == 4
    assert nal_length_bytes(b"\0\0\0\1" + bytes(30), codec) == 4


@pytest.mark.parametrize("length_bytes", [1, 2, 4])
def test_lengths_are_taken_off(length_bytes: int) -> None:
    nals = [b"\x65abc", b"\x41d"]
    data = b"".join(len(nal).to_bytes(length_bytes, "big") + nal for nal in nals)
    assert split_length_prefixed(data, length_bytes) == nals
    assert split_length_prefixed(data + bytes(7), length_bytes) == nals
    assert split_length_prefixed(b"", length_bytes) == []
    with pytest.raises(WireError, match="2 bytes where 1 are left"):
        split_length_prefixed(data[:-1], length_bytes)


def test_more_units_than_any_picture_has_are_refused() -> None:
    assert len(split_length_prefixed(b"\x01x" * 4095, 1)) == 4095
    with pytest.raises(WireError, match="more than 4096"):
        split_length_prefixed(b"\x01x" * 5000, 1)
    with pytest.raises(WireError, match="more than 4096"):
        split_length_prefixed(bytes(5000), 1)
