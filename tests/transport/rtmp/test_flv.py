from __future__ import annotations

import io
from dataclasses import replace

import av
import pytest

from tests.transport.media.sources import picture_units, sound_units, tone
from transport.errors import WireError
from transport.media import Codec, Track
from transport.rtmp import flv
from transport.rtmp.flv import AudioTag, VideoTag, parse_audio, parse_video

SPS = bytes.fromhex("6742c01fd9005005bb016a02020280000003008000001e478c1924")
VIDEO = Track(1, Codec.H264, 90_000, (SPS, b"\x68\xcb\x83"), "42c01f", 1280, 720)
AAC = Track(2, Codec.AAC, 48_000, (b"\x11\x90",), sample_rate=48_000, channels=2)


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_a_file_of_tags_decodes_picture_by_picture(codec: Codec) -> None:
    pictures = picture_units(codec, 30, options={"bf": "2"})
    sounds = sound_units(Codec.AAC, tone(1.0, 44_100), 44_100)
    file = flv.file_header()
    for units, kind in ((pictures, 9), (sounds, 8)):
        header = flv.sequence_header(units[0].track)
        assert header is not None
        file += flv.file_tag(kind, 0, header)
    for unit in sorted(pictures + sounds, key=lambda unit: unit.dts_s):
        time = round(unit.dts_s * 1000)
        file += flv.file_tag(9 if unit.track.is_video else 8, time, flv.tag_body(unit))
    with av.open(io.BytesIO(file)) as container:
        shown = [frame.time for frame in container.decode(video=0)]
    assert shown == pytest.approx([1 + n / 25 for n in range(30)], abs=0.002)
    with av.open(io.BytesIO(file)) as container:
        assert container.streams.audio[0].rate == 44_100
        assert sum(frame.samples for frame in container.decode(audio=0)) >= 40 * 1024


def test_tags_byte_by_byte() -> None:
    unit = picture_units(Codec.H264, 1)[0]
    unit = replace(unit, track=VIDEO, data=b"\0\0\0\1\x65abc", pts=90_000 + 3600, dts=90_000)
    assert flv.tag_body(unit) == b"\x17\x01\x00\x00\x28\x00\x00\x00\x04\x65abc"
    assert flv.tag_body(replace(unit, keyframe=False))[:2] == b"\x27\x01"
    h265 = replace(unit, track=replace(VIDEO, codec=Codec.H265), data=b"\0\0\0\1\x26\x01x")
    assert flv.tag_body(h265) == b"\x91hvc1\x00\x00\x28\x00\x00\x00\x03\x26\x01x"
    assert flv.tag_body(replace(h265, pts=h265.dts)) == b"\x93hvc1\x00\x00\x00\x03\x26\x01x"
    sound = replace(unit, track=AAC, data=b"snd")
    assert flv.tag_body(sound) == b"\xaf\x01snd"
    assert flv.sequence_header(AAC) == b"\xaf\x00\x11\x90"
    assert flv.sequence_header(replace(VIDEO, parameter_sets=())) is None


@pytest.mark.parametrize(("delay_ticks", "coded"), [(-900, b"\xff\xff\xf6"), (90 << 24, b"\0\0\0")])
def test_delays_are_signed_and_impossible_ones_left_out(delay_ticks: int, coded: bytes) -> None:
    unit = picture_units(Codec.H264, 1)[0]
    assert flv.tag_body(replace(unit, pts=unit.dts + delay_ticks))[2:5] == coded


def test_metadata_says_what_is_known() -> None:
    assert flv.metadata((VIDEO, AAC)) == {
        "videocodecid": 7.0,
        "width": 1280.0,
        "height": 720.0,
        "framerate": 30.0,
        "audiocodecid": 10.0,
        "audiosamplesize": 16.0,
        "audiosamplerate": 48_000.0,
        "audiochannels": 2.0,
        "stereo": True,
        "encoder": "Streamer",
    }
    h265 = flv.metadata((replace(VIDEO, codec=Codec.H265, width=0),))
    assert h265 == {"videocodecid": float(int.from_bytes(b"hvc1", "big")), "encoder": "Streamer"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"\x17\x00\x00\x00\x00cfg", VideoTag("h264", True, True, False, 0, b"cfg")),
        (b"\x27\x01\xff\xff\xfepic", VideoTag("h264", False, False, False, -2, b"pic")),
        (b"\x17\x02\x00\x00\x00", VideoTag("h264", True, False, True, 0, b"")),
        (b"\x90hvc1cfg", VideoTag("h265", True, True, False, 0, b"cfg")),
        (b"\x91hvc1\x00\x00\x05pic", VideoTag("h265", True, False, False, 5, b"pic")),
        (b"\x91av01pic", VideoTag("av1", True, False, False, 0, b"pic")),
        (b"\x92av01", VideoTag("av1", True, False, True, 0, b"")),
        (b"\x93zzzzpic", VideoTag("codec 7a7a7a7a", True, False, False, 0, b"pic")),
        (b"\x22abcd", VideoTag("h263", False, False, False, 0, b"abcd")),
        (b"\x1c\x00\x00\x00\x00cfg", VideoTag("h265", True, True, False, 0, b"cfg")),
        (b"\xa1avc1\xff\xff\xffpic", VideoTag("h264", False, False, False, -1, b"pic")),
        (b"\x57\x00", VideoTag("", False, False, False, 0, b"\x00", is_other=True)),
        (b"\xd1\x01", VideoTag("", False, False, False, 0, b"\x01", is_other=True)),
        (b"\x94hvc1amf", VideoTag("h265", True, False, False, 0, b"amf", is_other=True)),
    ],
)
def test_video_tags_are_read(body: bytes, expected: VideoTag) -> None:
    assert parse_video(body) == expected


def test_audio_tags_are_read() -> None:
    assert parse_audio(b"\xaf\x00\x11\x90") == AudioTag("aac", True, b"\x11\x90")
    assert parse_audio(b"\xaf\x01snd") == AudioTag("aac", False, b"snd")
    assert parse_audio(b"\x2fmp3") == AudioTag("mp3", False, b"mp3")
    assert parse_audio(b"\x72\xd5\xd5") == AudioTag("pcma", False, b"\xd5\xd5", channels=1)
    assert parse_audio(b"\x83\xff\xff") == AudioTag("pcmu", False, b"\xff\xff", channels=2)
    assert parse_audio(b"\x90OpusOpusHead") == AudioTag("opus", True, b"OpusHead")
    assert parse_audio(b"\x91mp4asnd") == AudioTag("aac", False, b"snd")
    assert parse_audio(b"\x92ac-3") == AudioTag("ac3", False, b"", is_end=True)
    assert parse_audio(b"\x94fLaC\x00\x02") == AudioTag("flac", False, b"\x00\x02", is_other=True)


@pytest.mark.parametrize("body", [b"", b"\x17\x01", b"\x91hvc1\x00"])
def test_short_video_tags_are_refused(body: bytes) -> None:
    with pytest.raises(WireError, match="video tag"):
        parse_video(body)


@pytest.mark.parametrize("body", [b"", b"\xaf"])
def test_short_audio_tags_are_refused(body: bytes) -> None:
    with pytest.raises(WireError, match="audio tag"):
        parse_audio(body)


def test_late_times_in_files_have_a_byte_of_their_own() -> None:
    assert flv.file_tag(9, 0x12345678, b"x")[:12].hex(" ") == "09 00 00 01 34 56 78 12 00 00 00 78"
