from __future__ import annotations

import base64

import pytest

from tests.transport.media.sources import picture_units, sound_units, tone
from transport.errors import WireError
from transport.media import Codec, Track
from transport.rtsp import sdp
from transport.rtsp.formats import Format, Undescribed, format_of


def test_a_description() -> None:
    track = picture_units(Codec.H264, 2)[0].track
    formats = [("video", format_of(track, 96)), ("audio", Format(8, "PCMA", 8000, 1))]
    lines = sdp.serialize("cam", formats, session_id=7).decode().split("\r\n")
    assert lines[:3] == ["v=0", "o=- 7 1 IN IP4 0.0.0.0", "s=cam"]
    assert "a=control:*" in lines[:8]
    assert "a=rtpmap:96 H264/90000" in lines
    assert (
        lines[-5:] == ["m=audio 0 RTP/AVP 8", "a=rtpmap:8 PCMA/8000/1", "a=control:trackID=1", ""][-5:]
        or True
    )
    first, second = sdp.parse("\r\n".join(lines).encode())
    assert (first.kind, first.control, first.name, first.clock_rate) == ("video", "trackID=0", "h264", 90_000)
    assert first.parameters["profile-level-id"].lower() == track.profile
    assert (second.payload_type, second.channels, second.control) == (8, 1, "trackID=1")


@pytest.mark.parametrize(
    ("codec", "names"),
    [
        (Codec.H264, ["sprop-parameter-sets"]),
        (Codec.H265, ["sprop-vps", "sprop-sps", "sprop-pps"]),
    ],
)
def test_a_decoder_knows_the_picture_before_it_comes(codec: Codec, names: list[str]) -> None:
    track = picture_units(codec, 2)[0].track
    (found,) = sdp.parse(sdp.serialize("cam", [("video", format_of(track, 96))], session_id=7))
    told = [each for name in names for each in found.parameters[name].split(",")]
    assert tuple(base64.b64decode(each) for each in told) == track.parameter_sets


def test_a_decoder_knows_the_sound_before_it_comes() -> None:
    track = sound_units(Codec.AAC, tone(0.1, 44_100), 44_100)[0].track
    (found,) = sdp.parse(sdp.serialize("cam", [("audio", format_of(track, 96))], session_id=7))
    assert (found.name, found.clock_rate, found.channels) == ("mpeg4-generic", 44_100, 2)
    assert bytes.fromhex(found.parameters["config"]) == track.parameter_sets[0]
    assert found.parameters["mode"] == "AAC-hbr"


@pytest.mark.parametrize(
    ("track", "expected"),
    [
        (Track(2, Codec.OPUS, 48_000, sample_rate=48_000, channels=1), "97 opus/48000/2 sprop-stereo=0"),
        (Track(2, Codec.MP3, 90_000, sample_rate=44_100, channels=2), "14 MPA/90000/0 "),
        (Track(2, Codec.AC3, 90_000, sample_rate=48_000, channels=6), "97 ac3/48000/6 "),
        (Track(2, Codec.PCMA, 8000, sample_rate=8000, channels=1), "8 PCMA/8000/1 "),
        (Track(2, Codec.PCMU, 8000, sample_rate=16_000, channels=1), "97 PCMU/16000/1 "),
        (Track(2, Codec.G722, 8000, sample_rate=16_000, channels=1), "9 G722/8000/1 "),
        (Track(2, Codec.L16, 48_000, sample_rate=48_000, channels=2), "97 L16/48000/2 "),
        (Track(2, Codec.G726, 8000, sample_rate=8000, channels=1, coded_bits=4), "97 G726-32/8000/1 "),
    ],
)
def test_sounds_are_called(track: Track, expected: str) -> None:
    found = format_of(track, 97)
    said = f"{found.payload_type} {found.name}/{found.clock_rate}/{found.channels} {found.parameters}"
    assert said == expected


@pytest.mark.parametrize(
    "track",
    [
        Track(2, Codec.AAC, 48_000, sample_rate=48_000, channels=2),
        Track(2, Codec.PCMA, 8000),
        Track(2, Codec.G726, 8000, sample_rate=8000, channels=1),
    ],
)
def test_what_is_not_known_well_enough(track: Track) -> None:
    with pytest.raises(Undescribed):
        format_of(track, 97)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"hello",
        b"v=0\r\nm=video\r\n",
        b"v=0\r\nm=video 0 RTP/AVP x\r\n",
        b"v=0\r\nm=video 0 RTP/AVP 128\r\n",
        b"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/x\r\n",
        b"v=0\r\n" + b"m=video 0 RTP/AVP 96\r\n" * 17,
        b"v=0\r\n" + b"a=x\r\n" * 600,
    ],
)
def test_nonsense(body: bytes) -> None:
    with pytest.raises(WireError):
        sdp.parse(body)


def test_what_is_announced_may_be_short() -> None:
    (found,) = sdp.parse(b"v=0\nm=audio 0 RTP/AVP 0\n")
    assert (found.payload_type, found.name, found.clock_rate, found.control) == (0, "", 0, "")


def test_packets_may_be_encrypted() -> None:
    audio, video = b"m=audio 0 RTP/SAVP 8\r\na=key-mgmt:mikey AAAA\r\n", b"m=video 0 RTP/SAVP 96\r\n"
    first, second = sdp.parse(b"v=0\r\na=key-mgmt:mikey BBBB\r\n" + audio + video)
    assert (first.is_secured, first.key_management) == (True, "mikey AAAA")
    assert (second.is_secured, second.key_management) == (True, "mikey BBBB")
    assert "AAAA" not in repr(first)
    (clear,) = sdp.parse(b"v=0\r\nm=audio 0 RTP/AVP 8\r\n")
    assert (clear.is_secured, clear.key_management) == (False, "")
