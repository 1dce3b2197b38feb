"""The whole demultiplexer on streams of real muxers, judged by libav."""

import random
from collections import defaultdict

import av
import pytest

from tests.transport.mpegts.conftest import FFMPEG, GSTREAMER, Recordings
from transport.media import AccessUnit, Codec
from transport.mpegts import DemuxCounters, TsDemuxer
from transport.mpegts.wire import PACKET_BYTES

NAMES = [*FFMPEG, *GSTREAMER]
LIBAV_NAMES = {"hevc": Codec.H265, "mpeg2video": Codec.MPEG2, "aac_latm": Codec.AAC}


def demuxed(data: bytes, step: int = 7 * PACKET_BYTES) -> tuple[TsDemuxer, list[AccessUnit]]:
    demuxer = TsDemuxer()
    units = []
    for at in range(0, len(data), step):
        units += demuxer.feed(data[at : at + step], at / 1e6)
    return demuxer, units + demuxer.flush(len(data) / 1e6)


def by_track(units: list[AccessUnit]) -> dict[int, list[AccessUnit]]:
    tracks = defaultdict(list)
    for unit in units:
        tracks[unit.track.id].append(unit)
    return tracks


def true_ends(data: bytes) -> dict[int, set[int]]:
    """Where every PES packet's last transport packet begins, by PID."""
    ends: dict[int, set[int]] = defaultdict(set)
    last: dict[int, int] = {}
    for at in range(0, len(data), PACKET_BYTES):
        pid = (data[at + 1] & 0x1F) << 8 | data[at + 2]
        if data[at + 3] & 0x10:
            if data[at + 1] & 0x40 and pid in last:
                ends[pid].add(last[pid])
            last[pid] = at
    for pid, at in last.items():
        ends[pid].add(at)
    return ends


@pytest.mark.parametrize("name", NAMES)
def test_units_are_those_of_libav(name: str, recordings: Recordings) -> None:
    demuxer, units = demuxed(recordings.read(name))
    tracks = by_track(units)
    with av.open(str(recordings.path(name))) as container:
        expected = defaultdict(list)
        codecs = {}
        for packet in container.demux():
            if packet.size:
                expected[packet.stream.id].append((packet.pts, packet.dts, packet.is_keyframe))
        for stream in container.streams:
            if stream.type in ("video", "audio"):
                spelled = stream.codec_context.name.removesuffix("float")
                codecs[stream.id] = LIBAV_NAMES.get(spelled) or Codec(spelled.removeprefix("lib"))
    assert {track.id: track.codec for track in demuxer.tracks} == codecs
    for pid, packets in expected.items():
        found = [(unit.pts, unit.dts, unit.keyframe) for unit in tracks[pid]]
        if codecs[pid] is Codec.MP2:
            # libav's parser keeps the last frame when the file ends, and its first depends on the probe.
            assert set(packets) <= set(found)
            assert len(found) <= len(packets) + 1
        elif name.endswith("44100"):
            # A frame is no whole number of ticks; libav carries its rounding on within a PES packet.
            assert len(found) == len(packets)
            assert all(abs(ours[0] - theirs[0]) <= 1 for ours, theirs in zip(found, packets, strict=True))
        else:
            assert found == packets
    assert demuxer.counters == DemuxCounters(packets=len(recordings.read(name)) // PACKET_BYTES)
    assert demuxer.warnings() == ()


@pytest.mark.parametrize("name", NAMES)
def test_every_unit_decodes(name: str, recordings: Recordings) -> None:
    _, units = demuxed(recordings.read(name))
    for track_units in by_track(units).values():
        track = track_units[-1].track
        decoder = av.CodecContext.create(
            {"h265": "hevc", "mpeg2": "mpeg2video"}.get(track.codec.value, track.codec.value), "r"
        )
        if track.codec is Codec.AAC:
            decoder.extradata = track.parameter_sets[0]
        frames = [frame for unit in track_units for frame in decoder.decode(av.Packet(unit.data))]
        frames += decoder.decode(None)
        # An Opus decoder may keep its last packet's tail; everything else comes out one to one.
        assert len(track_units) - (0 if track.is_video else 1) <= len(frames) <= len(track_units)
        if track.is_video:
            assert (track.width, track.height) == (320, 180)
        elif track.codec is Codec.OPUS:
            # Its decoder gives two channels unless told otherwise.
            assert (track.sample_rate, track.channels) == (48_000, 1 if name in FFMPEG else 2)
        else:
            assert (frames[0].sample_rate, frames[0].layout.nb_channels) == (
                track.sample_rate,
                track.channels,
            )


@pytest.mark.parametrize("name", NAMES)
def test_pictures_come_out_with_the_packet_that_completes_them(name: str, recordings: Recordings) -> None:
    data = recordings.read(name)
    ends = true_ends(data)
    demuxer = TsDemuxer()
    prompt = total = 0
    for at in range(0, len(data), PACKET_BYTES):
        for unit in demuxer.feed(data[at : at + PACKET_BYTES], at / 1e6):
            if unit.track.is_video:
                total += 1
                prompt += at in ends[unit.track.id]
            else:
                assert at in ends[unit.track.id]
    assert total >= 85
    # The first three are only watched, and one in 184 fits exactly.
    assert prompt >= 0.95 * total
    assert prompt >= total - 3 - 2


@pytest.mark.parametrize(
    ("name", "has_b_frames"),
    [
        ("h264_aac", False),
        ("h264_b_frames_opus", True),
        ("h265_ac3", True),
        ("h265_no_b_frames_aac_44100", False),
    ],
)
def test_reordering_is_known_from_the_first_unit(
    name: str, has_b_frames: bool, recordings: Recordings
) -> None:
    _, units = demuxed(recordings.read(name))
    assert {unit.track.has_b_frames for unit in units if unit.track.is_video} == {has_b_frames}


def test_the_program_is_known_before_its_first_unit(recordings: Recordings) -> None:
    data = recordings.read("h264_b_frames_opus")
    demuxer = TsDemuxer()
    assert not demuxer.declared
    assert demuxer.tracks == ()
    at = 0
    while not demuxer.declared:
        assert demuxer.feed(data[at : at + PACKET_BYTES], 0.0) == []
        at += PACKET_BYTES
    assert [(track.codec, track.clock_rate) for track in demuxer.tracks] == [
        (Codec.H264, 90_000),
        (Codec.OPUS, 90_000),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_where_the_bytes_are_cut_does_not_matter(seed: int, recordings: Recordings) -> None:
    data = recordings.read("h264_aac")[: 900 * PACKET_BYTES]
    _, expected = demuxed(data)
    rng = random.Random(seed)
    demuxer = TsDemuxer()
    units = []
    at = 0
    while at < len(data):
        size = rng.choice((1, 7, 187, 188, 189, 1000, 1316, 5000))
        units += demuxer.feed(data[at : at + size], at / 1e6)
        at += size
    units += demuxer.flush(0.0)
    assert [(u.track.id, u.pts, u.dts, u.data) for u in units] == [
        (u.track.id, u.pts, u.dts, u.data) for u in expected
    ]
    assert demuxer.counters.resyncs == 0


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", ["h264_aac", "h264_high_bit_rate", "h264_cbr_latm"])
def test_messages_together_are_what_they_are_one_by_one(name: str, seed: int, recordings: Recordings) -> None:
    """Whatever happened to some of their packets' headers."""
    rng = random.Random(seed)
    data = bytearray(recordings.read(name))
    for at in range(0, len(data), PACKET_BYTES):
        if rng.random() < 0.002 * seed:
            data[at + rng.randrange(1, 6)] ^= 1 << rng.randrange(8)
    messages = []
    at = 0
    while at < len(data):
        packets = rng.choice((1, 3, 7, 7, 7, 7, 7, 7, 7, 7))
        if rng.random() > 0.002 * seed:  # else it is lost
            messages.append(bytes(data[at : at + packets * PACKET_BYTES]))
        at += packets * PACKET_BYTES
    one_by_one, together = TsDemuxer(), TsDemuxer()
    at = 0
    while at < len(messages):
        some = messages[at : at + rng.randrange(1, 65)]
        units = [unit for message in some for unit in one_by_one.feed(message, at / 100)]
        assert together.feed_messages(some, at / 100) == units
        at += len(some)
    assert one_by_one.counters == together.counters
    assert one_by_one.counters.packets == sum(map(len, messages)) // PACKET_BYTES


def test_a_unit_arrives_when_its_last_byte_does(recordings: Recordings) -> None:
    data = recordings.read("gst_h264_aac")
    demuxer = TsDemuxer()
    for at in range(0, len(data), PACKET_BYTES):
        for unit in demuxer.feed(data[at : at + PACKET_BYTES], float(at)):
            assert unit.received_at == float(at)


@pytest.mark.parametrize("name", ["h264_b_frames_opus", "gst_h264_aac"])
def test_time_goes_on_when_the_encoders_33_bits_wrap(name: str, recordings: Recordings) -> None:
    data = bytearray(recordings.read(name))
    _, plain = demuxed(bytes(data))
    shift = (1 << 33) - plain[len(plain) // 2].dts
    shift_timestamps(data, shift)
    demuxer, units = demuxed(bytes(data))
    assert units[0].dts == plain[0].dts + shift
    assert [(u.pts - shift, u.dts - shift) for u in units] == [(u.pts, u.dts) for u in plain]
    assert units[-1].dts > 1 << 33
    assert demuxer.counters.clock_jumps == 0


def shift_timestamps(data: bytearray, shift: int) -> None:
    """Add to every PTS and DTS, with the 33 bits they have."""
    for at in range(0, len(data), PACKET_BYTES):
        payload = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
        if data[at + 1] & 0x40 and data[payload : payload + 3] == b"\x00\x00\x01":
            if data[payload + 7] & 0x80:
                move(data, payload + 9, shift)
            if data[payload + 7] & 0x40:
                move(data, payload + 14, shift)


def move(data: bytearray, at: int, shift: int) -> None:
    field = int.from_bytes(data[at : at + 5], "big")
    ticks = (field >> 33 & 7) << 30 | (field >> 17 & 0x7FFF) << 15 | field >> 1 & 0x7FFF
    ticks = (ticks + shift) % (1 << 33)
    field &= ~(7 << 33 | 0x7FFF << 17 | 0x7FFF << 1)
    field |= (ticks >> 30) << 33 | (ticks >> 15 & 0x7FFF) << 17 | (ticks & 0x7FFF) << 1
    data[at : at + 5] = field.to_bytes(5, "big")
