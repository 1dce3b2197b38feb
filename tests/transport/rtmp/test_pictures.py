"""Pictures out of tags: as libav reads the same file, and what encoders do otherwise."""

from __future__ import annotations

import io
import itertools
from dataclasses import replace

import av
import pytest

from tests.transport.media.sources import decoded_pictures, picture_units
from tests.transport.rtmp.flvfile import (
    MS,
    demuxed,
    flv_file,
    pictures,
    tags_of,
    video,
)
from transport.media import Codec
from transport.media.annexb import split_annexb
from transport.media.configuration import split_length_prefixed, video_configuration
from transport.media.parameter_sets import parameter_sets_from_extradata
from transport.rtmp import flv
from transport.rtmp.demux import PICTURE_ID


@pytest.mark.parametrize(("encoder", "codec"), [("libx264", Codec.H264), ("libx265", Codec.H265)])
def test_pictures_are_what_libav_reads(encoder: str, codec: Codec) -> None:
    file = flv_file(encoder, "aac", seconds=3, options=(("bf", "2"),))
    demuxer, units, _ = demuxed(tags_of(file))
    with av.open(io.BytesIO(file)) as container:
        stream = container.streams.video[0]
        sets = parameter_sets_from_extradata(codec, stream.codec_context.extradata or b"")
        packets = [packet for packet in container.demux(stream) if packet.size]
    assert len(units) == len(packets) == 75
    for unit, packet in zip(units, packets, strict=True):
        assert packet.pts is not None
        assert packet.dts is not None
        assert (unit.pts, unit.dts) == (packet.pts * MS, packet.dts * MS)
        assert unit.keyframe == packet.is_keyframe
        # The same NAL units, on a keyframe behind the parameter sets, which libav has beside them.
        theirs = split_length_prefixed(bytes(packet), 4)
        assert split_annexb(unit.data) == [*(sets if unit.keyframe else ()), *theirs]
        assert unit.data.startswith(b"\0\0\0\1")
    track = units[-1].track
    assert (track.id, track.codec, track.clock_rate) == (PICTURE_ID, codec, 90_000)
    assert (track.width, track.height, track.has_b_frames, track.interlaced) == (320, 240, True, False)
    assert track.parameter_sets == sets
    assert any(unit.pts != unit.dts for unit in units)
    assert demuxer.tracks[0] == track
    assert demuxer.warnings() == ()
    counters = demuxer.counters
    assert (counters.malformed, counters.dropped, counters.clock_jumps) == (0, 0, 0)


def test_units_decode() -> None:
    _, units, _ = demuxed(tags_of(flv_file("libx264", options=(("bf", "2"),))))
    assert len(decoded_pictures(units)) == 50


@pytest.mark.parametrize("length_bytes", [1, 2, 4])
def test_lengths_of_any_size(length_bytes: int) -> None:
    units = picture_units(Codec.H264, 3, width=32, height=32, options={"tune": "zerolatency"})
    record = bytearray(video_configuration(units[0].track))
    record[4] = record[4] & 0xFC | length_bytes - 1
    tags = [video(b"\x17\x00\x00\x00\x00" + record)]
    for index, unit in enumerate(units):
        nals = [nal for nal in split_annexb(unit.data) if nal not in unit.track.parameter_sets]
        nals = [nal for nal in nals if len(nal) < 256]  # libx264's own words are longer
        data = b"".join(len(nal).to_bytes(length_bytes, "big") + nal for nal in nals)
        tags.append(video(bytes((0x17 if unit.keyframe else 0x27, 1, 0, 0, 0)) + data, 40 * index))
    demuxer, found, _ = demuxed(tags)
    assert len(found) == 3
    assert [u.keyframe for u in found] == [True, False, False]
    for unit, sent in zip(found, units, strict=True):
        assert split_annexb(unit.data)[-1] == split_annexb(sent.data)[-1]
    assert demuxer.counters.malformed == 0


def test_h265_in_the_place_of_a_codec_number() -> None:
    units = picture_units(Codec.H265, 5)
    bodies = [b"\x1c\x00\x00\x00\x00" + video_configuration(units[0].track)]
    bodies += [b"\x2c\x01\x00\x00\x00" + flv.tag_body(replace(u, pts=u.dts))[5:] for u in units]
    _, found, _ = demuxed(video(body, 40 * n) for n, body in enumerate(bodies))
    assert [unit.data for unit in found] == [unit.data for unit in units]
    # The tags say that none is a keyframe; the NAL units know better.
    assert [unit.keyframe for unit in found] == [unit.keyframe for unit in units]
    assert found[0].keyframe
    assert found[0].track.codec is Codec.H265


@pytest.mark.parametrize("configuration", [None, b"", b"\0\0\0\1"])
def test_parameter_sets_among_the_pictures_only(configuration: bytes | None) -> None:
    units = picture_units(Codec.H264, 3, options={"tune": "zerolatency"})
    tags = [] if configuration is None else [video(b"\x17\x00\x00\x00\x00" + configuration)]
    for index, unit in enumerate(units):
        data = b"".join(len(nal).to_bytes(4, "big") + nal for nal in split_annexb(unit.data))
        tags.append(video(bytes((0x17 if unit.keyframe else 0x27, 1, 0, 0, 0)) + data, 40 * index))
    demuxer, found, _ = demuxed(tags)
    assert [unit.data for unit in found] == [unit.data for unit in units]
    assert found[0].track.parameter_sets == units[0].track.parameter_sets
    assert demuxer.tracks[0].width == 320


def test_annex_b_in_the_place_of_lengths() -> None:
    units = picture_units(Codec.H264, 3, options={"tune": "zerolatency"})
    tags = [
        video(bytes((0x17 if unit.keyframe else 0x27, 1, 0, 0, 0)) + unit.data, 40 * index)
        for index, unit in enumerate(units)
    ]
    demuxer, found, _ = demuxed(tags)
    assert [unit.data for unit in found] == [unit.data for unit in units]
    assert demuxer.counters.malformed == 0


def test_parameter_sets_among_the_pictures_outlive_a_repeated_header() -> None:
    first = picture_units(Codec.H264, 1, width=320)
    second = picture_units(Codec.H264, 1, width=160)
    header = flv.sequence_header(first[0].track)
    assert header is not None
    inband = b"".join(len(nal).to_bytes(4, "big") + nal for nal in split_annexb(second[0].data))
    demuxer, found, _ = demuxed(
        [
            video(header),
            video(b"\x17\x01\0\0\0" + inband, 0),
            video(header),
            video(b"\x17\x01\0\0\0" + inband, 40),
        ]
    )
    assert [unit.track.width for unit in found] == [160, 160]
    assert {split_annexb(unit.data)[0] for unit in found} == {second[0].track.parameter_sets[0]}
    assert demuxer.tracks[0].width == 160


def test_pictures_change_their_size() -> None:
    small = picture_units(Codec.H264, 2, width=160, options={"tune": "zerolatency"})
    header = flv.sequence_header(small[0].track)
    assert header is not None
    later = [video(header, 500)]
    later += [video(flv.tag_body(replace(u, pts=u.dts)), 500 + 40 * n) for n, u in enumerate(small)]
    _, found, _ = demuxed([*pictures(5), *later])
    assert [unit.track.width for unit in found] == [320] * 5 + [160] * 2
    assert {unit.track.id for unit in found} == {PICTURE_ID}


def test_another_codec_begins_with_its_header() -> None:
    hevc = pictures(3, Codec.H265, start_ms=200)
    demuxer, found, _ = demuxed([*pictures(3), hevc[1], *hevc])
    assert [unit.track.codec for unit in found] == [Codec.H264] * 3 + [Codec.H265] * 3
    assert demuxer.counters.dropped == 1
    assert [b.dts - a.dts >= 0 for a, b in itertools.pairwise(found)] == [True] * 5


def test_without_parameter_sets_somebody_is_told() -> None:
    demuxer, found, _ = demuxed(pictures(3)[1:])
    assert not found
    assert demuxer.warnings() == ("the pictures come without parameter sets, so that they cannot be decoded",)
    assert demuxer.tracks == ()
    _, found, _ = demuxed(pictures(3, start_ms=200), demuxer)
    assert len(found) == 3
    assert demuxer.warnings() == ()


def test_pictures_begin_with_a_keyframe() -> None:
    tags = pictures(30)  # a second keyframe after 25
    demuxer, found, _ = demuxed([tags[0], *tags[3:]])
    assert found[0].keyframe
    assert found[0].dts == 1000 * MS
    assert len(found) == 5
    assert demuxer.counters.dropped == 23


def test_composition_times_are_signed_and_bounded() -> None:
    header, first, second, third, *_ = pictures(3)
    bodies = [tag.body for tag in (first, second, third)]
    bodies[1] = bodies[1][:2] + b"\xff\xff\xff" + bodies[1][5:]
    bodies[2] = bodies[2][:2] + b"\x7f\xff\xff" + bodies[2][5:]
    demuxer, found, _ = demuxed([header, *(video(body, 40 * n) for n, body in enumerate(bodies))])
    assert [unit.pts - unit.dts for unit in found] == [0, -MS, 0]
    assert demuxer.counters.malformed == 1


def test_start_codes_within_a_unit_do_not_reach_a_reader_as_one() -> None:
    header, first, *_ = pictures(1)
    smuggled = b"\x06\x05\x00\x00\x01\x7c\x85smuggled"  # what RTP would take for a fragment
    body = first.body + len(smuggled).to_bytes(4, "big") + smuggled
    _, found, _ = demuxed([header, video(body)])
    assert all(nal[0] & 0x1F <= 21 for nal in split_annexb(found[0].data))


def test_small_steps_back_are_held() -> None:
    header, *images = pictures(4)
    stamps = [0, 40, 20, 80]
    demuxer, found, _ = demuxed([header, *(video(t.body, at) for t, at in zip(images, stamps, strict=True))])
    assert [unit.dts for unit in found] == [0, 40 * MS, 40 * MS, 80 * MS]
    assert [unit.pts for unit in found] == [0, 40 * MS, 20 * MS, 80 * MS]
    assert demuxer.counters.clamped_timestamps == 1
