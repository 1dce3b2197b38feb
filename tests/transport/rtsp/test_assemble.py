from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.transport.media.sources import decoded_pictures, jpeg_units, picture_units, sound_units, tone
from transport.media.annexb import split_annexb
from transport.media.unit import AccessUnit, Codec, Track
from transport.rtsp.assemble import JpegAssembler, PictureAssembler, SoundAssembler

FRAGMENT_BYTES = 200


def pieces_of(unit: AccessUnit, fragment_bytes: int = FRAGMENT_BYTES) -> list[bytes]:
    """As libav hands out FU-A packets: a start code and the NAL header only in front of the first."""
    header_bytes = 1 if unit.track.codec is Codec.H264 else 2
    pieces = []
    for nal in split_annexb(unit.data):
        first = header_bytes + fragment_bytes
        pieces.append(b"\x00\x00\x00\x01" + nal[:first])
        pieces += [nal[at : at + fragment_bytes] for at in range(first, len(nal), fragment_bytes)]
    return pieces


def push_all(assembler: PictureAssembler, units: list[AccessUnit]) -> list[AccessUnit]:
    out = []
    for unit in units:
        for piece in pieces_of(unit):
            out += assembler.push(piece, unit.pts, unit.received_at)
    return out + assembler.flush()


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_pieces_become_the_pictures_they_were(codec: Codec) -> None:
    units = picture_units(codec, 30, options={"bf": "2", "b_strategy": "0"})
    assembler = PictureAssembler(3, codec, 90_000)
    out = push_all(assembler, units)
    assert [unit.data for unit in out] == [unit.data for unit in units]
    assert [unit.pts for unit in out] == [unit.pts for unit in units]
    assert [unit.keyframe for unit in out] == [unit.keyframe for unit in units]
    assert all(after.dts >= before.dts for before, after in pairwise(out))
    assert all(unit.dts <= unit.pts for unit in out)
    assert out[-1].track.has_b_frames


def test_a_picture_leaves_when_the_next_begins_until_its_end_is_foretold() -> None:
    units = picture_units(Codec.H264, 150, rate=25, options={"tune": "zerolatency"})
    assembler = PictureAssembler(3, Codec.H264, 90_000)
    at_once = []
    out: list[AccessUnit] = []
    for unit in units:
        for piece in pieces_of(unit):
            out += assembler.push(piece, unit.pts, unit.received_at)
        at_once.append(bool(out) and out[-1].pts == unit.pts)
    out += assembler.flush()
    assert not any(at_once[:100])
    assert sum(at_once[101:]) > 40
    assert [unit.data for unit in out] == [unit.data for unit in units]
    assert assembler.forecast.mistakes == 0


def test_a_wrong_forecast_costs_one_picture_and_is_the_last() -> None:
    one_slice = picture_units(Codec.H264, 125, rate=25, options={"tune": "zerolatency"})
    two_slices = picture_units(Codec.H264, 50, rate=25, options={"slices": "2", "bf": "0"}, start_s=6.0)
    assembler = PictureAssembler(3, Codec.H264, 90_000)
    out = push_all(assembler, one_slice + two_slices)
    assert assembler.forecast.mistakes == 1
    assert not assembler.forecast.trusted
    assert len(out) == 175
    whole = [unit.data for unit in one_slice + two_slices]
    assert [index for index, unit in enumerate(out) if unit.data != whole[index]] == [125]


def test_what_has_lost_its_beginning_is_left_out() -> None:
    units = picture_units(Codec.H264, 10)
    assembler = PictureAssembler(3, Codec.H264, 90_000)
    out: list[AccessUnit] = []
    for index, unit in enumerate(units):
        pieces = pieces_of(unit)
        for piece in pieces[1:] if index == 5 else pieces:
            out += assembler.push(piece, unit.pts, 0.0)
    out += assembler.flush()
    assert [unit.pts for unit in out] == [unit.pts for unit in units if unit is not units[5]]


def test_packets_that_come_twice_count_once() -> None:
    units = picture_units(Codec.H264, 10, options={"tune": "zerolatency"})
    assembler = PictureAssembler(3, Codec.H264, 90_000)
    out: list[AccessUnit] = []
    for unit in units:
        for piece in pieces_of(unit):
            for _ in range(2):
                out += assembler.push(piece, unit.pts, unit.received_at)
    out += assembler.flush()
    assert [unit.data for unit in out] == [unit.data for unit in units]


@pytest.mark.parametrize("ticks", [1, -1, 150])
def test_a_report_in_the_middle_of_a_picture_does_not_cut_it(ticks: int) -> None:
    units = picture_units(Codec.H264, 20, options={"tune": "zerolatency"})
    assembler = PictureAssembler(3, Codec.H264, 90_000)
    out: list[AccessUnit] = []
    moved = 0
    for index, unit in enumerate(units):
        pieces = pieces_of(unit)
        for number, piece in enumerate(pieces):
            moved += ticks if index % 5 == 0 and number == len(pieces) // 2 else 0
            out += assembler.push(piece, unit.pts + moved, unit.received_at)
    out += assembler.flush()
    assert [unit.data for unit in out] == [unit.data for unit in units]


def test_pieces_without_a_timestamp_belong_to_the_picture_before() -> None:
    (unit,) = picture_units(Codec.H264, 1)
    assembler = PictureAssembler(3, Codec.H264, 90_000)
    assert assembler.push(b"\x00\x00\x00\x01\x67\x00", None, 0.0) == []
    for index, piece in enumerate(pieces_of(unit)):
        assembler.push(piece, unit.pts if index == 0 else None, 0.0)
    (out,) = assembler.flush()
    assert out.data == unit.data
    assert len(decoded_pictures([out])) == 1


def test_a_clock_that_stands_still_does_not_fill_the_memory() -> None:
    assembler = PictureAssembler(3, Codec.H264, 90_000)
    for number in range(18):
        assert assembler.push(b"\x00\x00\x00\x01\x41" + bytes([number]) * 1024 * 1024, 0, 0.0) == []
    assert assembler.malformed == 1


def test_jpegs_come_out_at_once_and_say_how_large_they_are() -> None:
    small, large = jpeg_units(2), jpeg_units(1, width=640, height=480)
    assembler = JpegAssembler(3, 90_000)
    out = [assembler.push(unit.data, 3600 * at, 5.0 + at) for at, unit in enumerate([*small, *large])]
    assert [[unit.data for unit in units] for units in out] == [[unit.data] for unit in [*small, *large]]
    assert [(unit.pts, unit.dts) for (unit,) in out] == [(0, 0), (3600, 3600), (7200, 7200)]
    assert all(unit.keyframe for (unit,) in out)
    assert [(unit.track.width, unit.track.height) for (unit,) in out] == [(320, 240)] * 2 + [(640, 480)]
    assert assembler.flush() == []


def test_a_report_of_the_cameras_clock_sets_no_jpeg_before_the_last() -> None:
    (jpeg,) = jpeg_units(1)
    assembler = JpegAssembler(3, 90_000)
    times = [unit.pts for pts in (9000, 8100, 12_600) for unit in assembler.push(jpeg.data, pts, 0.0)]
    assert times == [9000, 9000, 12_600]


def test_what_is_no_jpeg_is_counted() -> None:
    (jpeg,) = jpeg_units(1)
    assembler = JpegAssembler(3, 90_000)
    for broken in (b"", b"garbage", jpeg.data[:10], jpeg.data[:2] + jpeg.data[-2:]):
        assert assembler.push(broken, 0, 0.0) == []
    assert assembler.push(jpeg.data, None, 0.0) == []
    assert assembler.malformed == 5
    assert len(assembler.push(jpeg.data, 3600, 0.0)) == 1


def test_a_jpeg_without_a_size_is_a_reason_until_one_comes_with_it() -> None:
    (jpeg,) = jpeg_units(1)
    at = jpeg.data.index(b"\xff\xc0")
    assembler = JpegAssembler(3, 90_000)
    assert assembler.push(jpeg.data[: at + 5] + bytes(4) + jpeg.data[at + 9 :], 0, 0.0) == []
    assert "more than 2040 pixels" in assembler.reason
    assert len(assembler.push(jpeg.data, 3600, 0.0)) == 1
    assert assembler.reason == ""


@pytest.mark.parametrize("codec", [Codec.MP2, Codec.MP3, Codec.AC3])
def test_several_frames_in_a_packet_are_split_and_timed(codec: Codec) -> None:
    units = sound_units(codec, tone(0.3, 48_000), 48_000)
    # What the camera says is wrong; the frames know better.
    assembler = SoundAssembler(Track(id=1, codec=codec, clock_rate=90_000, channels=1))
    out = []
    for index in range(0, len(units) - 1, 2):
        packet = units[index].data + units[index + 1].data
        out += assembler.push(packet, units[index].pts, 5.0)
    assert [unit.data for unit in out] == [unit.data for unit in units[: len(out)]]
    assert [unit.pts for unit in out] == pytest.approx([unit.pts for unit in units[: len(out)]], abs=1)
    assert (out[0].track.sample_rate, out[0].track.channels) == (48_000, 2)
    assert all(unit.keyframe and unit.dts == unit.pts and unit.received_at == 5.0 for unit in out)


@pytest.mark.parametrize(
    ("codec", "rate", "channels", "packet_bytes"),
    [
        (Codec.PCMA, 8_000, 1, 160),
        (Codec.PCMU, 8_000, 1, 160),
        (Codec.L16, 44_100, 2, 3528),
        (Codec.G722, 16_000, 1, 160),
        (Codec.G726, 8_000, 1, 100),
    ],
)
def test_samples_without_frames_are_timed_by_their_number(
    codec: Codec, rate: int, channels: int, packet_bytes: int
) -> None:
    # The clock of G.722 is one of 8 kHz, for historical reasons (RFC 3551 section 4.5.2).
    clock_rate = 8_000 if codec is Codec.G722 else rate
    coded_bits = 5 if codec is Codec.G726 else 0
    track = Track(1, codec, clock_rate, sample_rate=rate, channels=channels, coded_bits=coded_bits)
    assembler = SoundAssembler(track)
    packet = bytes(packet_bytes)
    units = [*assembler.push(packet, 1000, 5.0), *assembler.push(packet + b"x" * (channels - 1), None, 5.0)]
    assert [(unit.pts, unit.data) for unit in units] == [(1000, packet), (1000 + clock_rate // 50, packet)]
    assert assembler.push(b"", 2000, 5.0) == []
    assert assembler.malformed == 1
    many = SoundAssembler(replace(track, channels=4))
    assert many.push(packet, 1000, 5.0) == []
    assert many.reason == f"sound in {codec} of 4 channels is not supported"


def test_g726_of_an_unknown_rate_has_a_reason() -> None:
    assembler = SoundAssembler(Track(1, Codec.G726, 8_000, sample_rate=8_000, channels=1))
    assert assembler.push(bytes(80), 0, 0.0) == []
    assert assembler.reason == "sound in g726 of an unknown rate is not supported"


def test_sound_that_is_not_carried_has_a_reason_until_it_is() -> None:
    layer_one = bytes.fromhex("ffff9064") + bytes(413)
    assembler = SoundAssembler(Track(id=1, codec=Codec.MP2, clock_rate=90_000))
    assert assembler.push(layer_one, 0, 0.0) == []
    assert assembler.reason == "MPEG audio layer I is not supported"
    assembler.push(sound_units(Codec.MP2, tone(0.1, 48_000), 48_000)[0].data, 2160, 0.0)
    assert assembler.reason == ""


@pytest.mark.parametrize("codec", [Codec.MP2, Codec.AC3])
def test_packets_that_cannot_be_split_are_counted(codec: Codec) -> None:
    frame = sound_units(codec, tone(0.1, 48_000), 48_000)[0].data
    assembler = SoundAssembler(Track(id=1, codec=codec, clock_rate=90_000))
    assert assembler.push(frame[:-1], 0, 0.0) == []
    assert assembler.push(b"garbage garbage", 0, 0.0) == []
    assert assembler.malformed == 2
    assert len(assembler.push(frame, 0, 0.0)) == 1


@pytest.mark.parametrize("frame_ticks", [1024, 2048])
def test_aac_frames_without_a_timestamp_follow_each_other(frame_ticks: int) -> None:
    assembler = SoundAssembler(Track(id=1, codec=Codec.AAC, clock_rate=48_000, sample_rate=48_000))
    assert assembler.push(b"too early", None, 0.0) == []
    out = []
    for packet in range(4):
        out += assembler.push(b"first", packet * 2 * frame_ticks, 0.0)
        out += assembler.push(b"second", None, 0.0)
    # The first length is a guess; from the second packet on it is known.
    assert [unit.pts for unit in out[2:]] == [index * frame_ticks for index in range(2, 8)]
    assert assembler.flush() == []


def test_opus_packets_tell_their_length() -> None:
    units = sound_units(Codec.OPUS, tone(0.2, 48_000), 48_000, clock_rate=48_000)
    assembler = SoundAssembler(Track(id=1, codec=Codec.OPUS, clock_rate=48_000))
    out = [one for at, unit in enumerate(units) for one in assembler.push(unit.data, None if at else 0, 0.0)]
    assert [unit.pts for unit in out] == [index * 960 for index in range(len(units))]
    assert assembler.push(b"", 0, 0.0) == []
    assert assembler.malformed == 1
