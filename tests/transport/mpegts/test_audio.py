import random
from collections.abc import Sequence

import av
import numpy as np
import pytest

from tests.transport.media.test_adts import CONFIG, ELEMENT
from tests.transport.media.test_adts import frame as program_frame
from tests.transport.media.test_latm import loas, mux_config, payload
from transport.media import AccessUnit, Codec
from transport.mpegts.audio import AudioTrack, audio_track
from transport.mpegts.counters import DemuxCounters

CODECS = [
    (Codec.AAC, "aac", 1024),
    (Codec.MP2, "mp2", 1152),
    (Codec.MP3, "libmp3lame", 1152),
    (Codec.AC3, "ac3", 1536),
    (Codec.EAC3, "eac3", 1536),
    (Codec.OPUS, "libopus", 960),
]


def encoded(encoder_name: str, *, sample_rate: int = 48_000, count: int = 12) -> list[bytes]:
    """Coded frames as they stand in a transport stream, each with its header."""
    encoder = av.CodecContext.create(encoder_name, "w")
    encoder.sample_rate, encoder.layout = sample_rate, "stereo"
    encoder.format = "s16" if encoder_name in ("mp2", "libopus") else "fltp"
    encoder.open()
    rng = np.random.default_rng(8)
    frames = []
    for index in range(count + 3):
        noise = rng.integers(-9000, 9000, (1, 2 * encoder.frame_size)) * (index % 2)
        if encoder.format.name == "s16":
            frame = av.AudioFrame.from_ndarray(noise.astype(np.int16), format="s16", layout="stereo")
        else:
            planes = (noise.reshape(2, -1) / 32_768).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = sample_rate, index * encoder.frame_size
        frames += [bytes(packet) for packet in encoder.encode(frame)]
    wrap = {"aac": adts, "libopus": control_header}.get(encoder_name)
    return [wrap(frame) if wrap else frame for frame in frames][:count]


def adts(frame: bytes, *, rate: int = 3) -> bytes:
    size = len(frame) + 7
    return (
        bytes(
            [0xFF, 0xF1, 0x40 | rate << 2, 0x80 | size >> 11, size >> 3 & 255, (size & 7) << 5 | 0x1F, 0xFC]
        )
        + frame
    )


def control_header(packet: bytes, *, flags: int = 0, extra: bytes = b"") -> bytes:
    return (
        b"\x7f"
        + bytes([0xE0 | flags])
        + b"\xff" * (len(packet) // 255)
        + bytes([len(packet) % 255])
        + extra
        + packet
    )


class Feeder:
    def __init__(self, codec: Codec, *, latm: bool = False, channels: int = 0) -> None:
        self.counters = DemuxCounters()
        self.track: AudioTrack = audio_track(
            0x101, codec, self.counters, latm=latm, channels=channels, language="deu"
        )

    def take(self, *segments: bytes, pts: int | None = None, broken: bool = False) -> list[AccessUnit]:
        return self.track.take(list(segments), pts, pts, 0.0, broken=broken)


def payloads(frames: Sequence[bytes], codec: Codec) -> list[bytes]:
    if codec is Codec.AAC:
        return [frame[7:] for frame in frames]
    if codec is Codec.OPUS:
        return [
            frame[3 + frame[2:].count(b"\xff", 0, 1) :] if frame[2] < 255 else frame[4:] for frame in frames
        ]
    return list(frames)


@pytest.mark.parametrize(("codec", "encoder", "samples"), CODECS)
def test_frames_cut_anywhere_come_out_whole_and_dated(codec: Codec, encoder: str, samples: int) -> None:
    frames = encoded(encoder)
    data = b"".join(frames)
    rng = random.Random(6)
    for _ in range(20):
        feeder = Feeder(codec)
        cuts = sorted(rng.sample(range(1, len(data)), 4))
        pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        units = feeder.take(pieces[0], pts=1000)
        units += [unit for piece in pieces[1:] for unit in feeder.take(piece)]
        assert [unit.data for unit in units] == payloads(frames, codec)
        assert [unit.pts for unit in units] == [
            1000 + i * samples * 90_000 // 48_000 for i in range(len(frames))
        ]
        assert all(unit.keyframe and unit.dts == unit.pts for unit in units)
        track = units[-1].track
        assert (track.id, track.sample_rate, track.channels, track.language) == (0x101, 48_000, 2, "deu")
        assert units[0].track is track
        assert (feeder.counters.malformed, feeder.counters.dropped_units) == (0, 0)


def test_a_timestamp_belongs_to_the_first_frame_that_begins_in_its_packet() -> None:
    frames = encoded("aac")
    feeder = Feeder(Codec.AAC)
    first = feeder.take(frames[0] + frames[1] + frames[2][:50], pts=0)
    second = feeder.take(frames[2][50:] + frames[3], pts=500_000)
    assert [unit.pts for unit in first + second] == [0, 1920, 3840, 500_000]


def test_a_frame_that_only_begins_in_its_packet_keeps_that_timestamp() -> None:
    frames = encoded("aac")
    feeder = Feeder(Codec.AAC)
    assert feeder.take(frames[0][:10], pts=7000) == []
    assert [unit.pts for unit in feeder.take(frames[0][10:] + frames[1], pts=9000)] == [7000, 9000]


def test_rounding_does_not_add_up() -> None:
    frames = [adts(frame[7:], rate=4) for frame in encoded("aac")]
    feeder = Feeder(Codec.AAC)
    units = feeder.take(b"".join(frames) * 100, pts=0)
    assert units[-1].pts == round(1199 * 1024 * 90_000 / 44_100)


def test_garbage_before_and_between_frames_is_passed_over() -> None:
    frames = encoded("mp2")
    feeder = Feeder(Codec.MP2)
    units = feeder.take(b"\xff\xfd\x00" + b"".join([*frames[:2], b"\xff\xff", *frames[2:4]]), pts=0)
    assert [unit.data for unit in units] == frames[:4]
    assert feeder.counters.malformed == 2


def test_after_a_gap_the_rest_waits_for_the_next_timestamp() -> None:
    frames = encoded("ac3")
    feeder = Feeder(Codec.AC3)
    units = feeder.take(frames[0] + frames[1][:100], frames[2][100:] + frames[3], pts=0)
    assert [unit.data for unit in units] == [frames[0]]
    assert feeder.counters.dropped_units == 1
    assert [unit.pts for unit in feeder.take(frames[4], pts=90_000)] == [90_000]


def test_half_a_frame_from_before_a_loss_meets_no_other_half() -> None:
    frames = encoded("ac3")
    feeder = Feeder(Codec.AC3)
    feeder.take(frames[0] + frames[1][:100], pts=0)
    feeder.track.interrupt()
    assert [unit.data for unit in feeder.take(frames[5], pts=90_000)] == [frames[5]]


def test_sound_without_any_timestamp_is_dropped() -> None:
    feeder = Feeder(Codec.MP2)
    assert feeder.take(encoded("mp2")[0]) == []
    assert feeder.counters.dropped_units == 1


def test_a_clock_that_was_set_back_is_followed() -> None:
    frames = encoded("mp2")
    feeder = Feeder(Codec.MP2)
    feeder.take(frames[0], pts=900_000)
    assert [unit.pts for n in (1, 2) for unit in feeder.take(frames[n], pts=700_000 + 2160 * n)] == [
        702_160,
        704_320,
    ]
    assert feeder.counters.clamped_timestamps == 0


def test_time_that_goes_back_is_held() -> None:
    frames = encoded("mp2")
    feeder = Feeder(Codec.MP2)
    feeder.take(frames[0], pts=9000)
    assert [unit.pts for unit in feeder.take(frames[1], pts=8000)] == [9000]
    assert feeder.counters.clamped_timestamps == 1


def test_a_changed_sample_rate_is_a_new_description() -> None:
    frames = encoded("aac")
    feeder = Feeder(Codec.AAC)
    units = feeder.take(frames[0] + adts(frames[1][7:], rate=4) + adts(frames[2][7:], rate=4), pts=0)
    assert [unit.track.sample_rate for unit in units] == [48_000, 44_100, 44_100]
    assert [unit.pts for unit in units][:2] == [0, round(1024 * 90_000 / 44_100)]
    assert units[0].track.parameter_sets == (b"\x11\x90",)
    assert units[1].track.parameter_sets == (b"\x12\x10",)


def test_opus_control_headers_with_trims_and_extensions() -> None:
    packet = b"\xfc" + bytes(299)
    feeder = Feeder(Codec.OPUS, channels=2)
    data = control_header(packet, flags=0x1C, extra=b"\x01\x38" + b"\x00\x10" + b"\x02ab")
    units = feeder.take(data + control_header(packet), pts=0)
    assert [unit.data for unit in units] == [packet, packet]
    assert [unit.pts for unit in units] == [0, 1800]


def test_broken_opus_packets_are_counted() -> None:
    feeder = Feeder(Codec.OPUS, channels=2)
    assert feeder.take(control_header(b"\x7b\x00"), pts=0) == []
    assert feeder.take(b"\x7f\xe0\x00\x01\x02", pts=0) == []
    assert feeder.counters.malformed == 2


def test_what_is_not_carried_ends_the_track_with_a_reason() -> None:
    feeder = Feeder(Codec.MP2)
    layer_one = bytes.fromhex("ffffa404") + bytes(600)
    assert feeder.take(layer_one * 2, pts=0) == []
    assert feeder.track.reason == ""
    assert feeder.take(layer_one, pts=0) == []
    assert feeder.track.reason == "MPEG audio layer I is not supported"
    counted = feeder.counters.malformed
    assert feeder.take(layer_one * 5 + encoded("mp2")[0], pts=0) == []
    assert feeder.counters.malformed == counted


def test_what_is_carried_again_takes_the_track_up() -> None:
    feeder = Feeder(Codec.MP2)
    frames = encoded("mp2")
    feeder.take(bytes.fromhex("ffffa404") * 4, pts=0)
    assert feeder.track.reason
    taken = [unit.data for n in range(8) for unit in feeder.take(frames[n], pts=90_000 + n * 2160)]
    assert feeder.track.reason == ""
    assert taken == frames[2:8]


def test_one_corrupt_header_ends_no_track() -> None:
    feeder = Feeder(Codec.MP2)
    frames = encoded("mp2")
    for index in range(0, 12, 2):
        feeder.take(frames[index] + b"\xff\xff\xa4\x04" + frames[index + 1], pts=90_000 * index)
    assert feeder.track.reason == ""


def test_one_corrupt_header_makes_no_other_layer_of_a_track() -> None:
    feeder = Feeder(Codec.MP2)
    frames = encoded("mp2")
    data = b"".join([frames[0], b"\xff\xfb\xa4\x04" + frames[1][4:], *frames[2:5]])
    units = feeder.take(data, pts=0)
    assert [unit.data for unit in units] == [frames[0], *frames[2:5]]
    assert feeder.track.track.codec is Codec.MP2


@pytest.mark.parametrize(
    ("declared", "codec", "encoder"), [(Codec.MP2, Codec.MP3, "libmp3lame"), (Codec.AC3, Codec.EAC3, "eac3")]
)
def test_frames_tell_what_containers_call_the_same(declared: Codec, codec: Codec, encoder: str) -> None:
    feeder = Feeder(declared)
    units = [unit for n, frame in enumerate(encoded(encoder)) for unit in feeder.take(frame, pts=3000 * n)]
    assert {unit.track.codec for unit in units} == {codec}
    assert len(units) == 12
    assert feeder.counters.malformed == 0


def test_a_track_that_becomes_another_layer_for_good_is_followed() -> None:
    feeder = Feeder(Codec.MP2)
    feeder.take(b"".join(encoded("mp2")[:3]), pts=0)
    units = feeder.take(b"".join(encoded("libmp3lame")[:4]), pts=90_000)
    assert [unit.track.codec for unit in units] == [Codec.MP3] * 4


def test_dependent_frames_stay_with_the_one_before() -> None:
    frames = encoded("eac3")
    dependent = [frame[:2] + bytes((frame[2] | 0x40,)) + frame[3:] for frame in frames]
    feeder = Feeder(Codec.EAC3)
    units = feeder.take(b"".join((frames[0], dependent[0], frames[1], dependent[1])), pts=0)
    assert [unit.data for unit in units] == [frames[0] + dependent[0], frames[1] + dependent[1]]
    assert [unit.pts for unit in units] == [0, 1536 * 90_000 // 48_000]
    assert feeder.take(dependent[2], pts=9000) == []
    assert feeder.counters.dropped_units == 1


def test_aac_that_describes_its_channels_is_carried() -> None:
    feeder = Feeder(Codec.AAC)
    units = feeder.take(program_frame(ELEMENT + b"\x21\x00") + program_frame(b"\x21\x10") * 3, pts=0)
    assert [unit.data for unit in units] == [ELEMENT + b"\x21\x00"] + [b"\x21\x10"] * 3
    assert {unit.track.channels for unit in units} == {4}
    assert units[0].track.parameter_sets == (CONFIG,)


def test_aac_that_never_describes_them_has_a_reason() -> None:
    feeder = Feeder(Codec.AAC)
    assert feeder.take(program_frame(b"\x21\x10") * 3, pts=0) == []
    assert feeder.track.reason == "AAC that does not say which channels it has is not supported"


def test_latm_is_carried_as_plain_aac() -> None:
    frame = loas(mux_config() + payload(b"\xaa\xaa\xaa"))
    feeder = Feeder(Codec.AAC, latm=True)
    units = feeder.take(frame * 2, pts=0)
    assert [(unit.pts, unit.data) for unit in units] == [(0, b"\xaa\xaa\xaa"), (1920, b"\xaa\xaa\xaa")]
    assert units[0].track.parameter_sets == (b"\x11\x90",)
