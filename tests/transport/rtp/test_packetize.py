import random

import pytest

from tests.fakes.media import AUDIO, VIDEO, VIDEO_H265, noise
from transport.errors import WireError
from transport.media import AccessUnit, Codec, Track, opus
from transport.rtp.depacketize import Depacketizer
from transport.rtp.header import RtpPacket
from transport.rtp.packetize import Packetizer, packetize, packetize_h264, packetize_h265
from transport.rtp.padding import PaddedPayload, strip

START = b"\0\0\0\1"
SPS, PPS, SEI = b"\x67" + noise(20, 1), b"\x68" + noise(4, 2), b"\x06" + noise(30, 3)
IDR = b"\x65" + noise(5000, 4)


def annexb(*nals: bytes) -> bytes:
    return b"".join(START + nal for nal in nals)


def unit(track: Track, data: bytes) -> AccessUnit:
    return AccessUnit(track=track, pts=0, dts=0, data=data, keyframe=True, received_at=0.0)


def test_parameter_sets_and_sei_travel_together_before_the_picture() -> None:
    payloads = packetize_h264(annexb(SPS, PPS, SEI, IDR), 1160)
    assert payloads[0] == b"\x78" + b"".join(len(n).to_bytes(2, "big") + n for n in (SPS, PPS, SEI))
    assert all(payload[0] & 0x1F == 28 for payload in payloads[1:])


@pytest.mark.parametrize("size", [1159, 1160, 1161, 2317, 2318, 5000, 100_001])
def test_fragments_are_equal_but_the_last_and_as_few_as_possible(size: int) -> None:
    payloads = packetize_h264(annexb(b"\x41" + noise(size - 1, size)), 1160)
    assert len(payloads) == (1 if size <= 1160 else -(-(size - 1) // 1158))
    assert {len(payload) for payload in payloads[:-1]} <= {len(payloads[0])}
    assert len(payloads[-1]) <= len(payloads[0]) <= 1160


def test_fragment_headers_mark_start_end_type_and_importance() -> None:
    payloads = packetize_h264(annexb(b"\x65" + noise(3000, 1)), 1160)
    assert [payload[:2] for payload in payloads] == [b"\x7c\x85", b"\x7c\x05", b"\x7c\x45"]


def test_delimiters_and_filler_are_left_out() -> None:
    assert packetize_h264(annexb(b"\x09\xf0", b"\x41abc", b"\x0c\xff\x80"), 1160) == [b"\x41abc"]


def test_a_lone_parameter_set_is_a_single_nal_unit() -> None:
    assert packetize_h264(annexb(SPS, b"\x65abc"), 1160) == [SPS, b"\x65abc"]


def test_parameter_sets_that_do_not_fit_together_are_split() -> None:
    first, second, third = (b"\x06" + noise(600, seed) for seed in range(3))
    payloads = packetize_h264(annexb(first, second, third, b"\x65abc"), 1160)
    assert payloads == [first, second, third, b"\x65abc"]


def test_h265_parameter_sets_travel_in_an_aggregation_packet() -> None:
    vps, sps, pps = b"\x40\x01" + noise(20, 1), b"\x42\x01" + noise(30, 2), b"\x44\x01" + noise(5, 3)
    payloads = packetize_h265(annexb(vps, sps, pps, b"\x26\x01" + noise(4000, 4)), 1160)
    assert payloads[0] == b"\x60\x01" + b"".join(len(n).to_bytes(2, "big") + n for n in (vps, sps, pps))
    assert [payload[:3] for payload in payloads[1:]] == [
        b"\x62\x01\x93",
        b"\x62\x01\x13",
        b"\x62\x01\x13",
        b"\x62\x01\x53",
    ]


def test_h265_aggregates_take_the_lowest_layer_and_temporal_id() -> None:
    nals = (b"\x40\x0b" + b"a", b"\x42\x0a" + b"b")  # layer 1, temporal ids 3 and 2
    assert packetize_h265(annexb(*nals), 1160)[0][:2] == b"\x60\x0a"


def test_h265_nal_units_without_a_whole_header_are_refused() -> None:
    with pytest.raises(WireError):
        packetize_h265(annexb(b"\x26"), 1160)


def test_opus_is_one_packet() -> None:
    assert packetize(unit(AUDIO, b"sound"), 1160) == [b"sound"]
    assert packetize(unit(AUDIO, b""), 1160) == []
    with pytest.raises(WireError):
        packetize(unit(AUDIO, bytes(1161)), 1160)


def test_other_codecs_have_no_payload_format_here() -> None:
    with pytest.raises(ValueError, match="aac"):
        packetize(unit(Track(id=1, codec=Codec.AAC, clock_rate=48000), b"x"), 1160)


@pytest.mark.parametrize("track", [VIDEO, VIDEO_H265], ids=["h264", "h265"])
def test_there_and_back_gives_the_same_access_unit(track: Track) -> None:
    rng = random.Random(7)
    depacketizer = Depacketizer(track.codec)
    seq = 65_500
    for round_number in range(300):
        nals = []
        for _ in range(rng.randrange(1, 9)):
            size = int(2 ** rng.uniform(0, 14))
            if track.codec is Codec.H264:
                head = bytes([rng.choice((0x41, 0x65, 0x67, 0x68, 0x06, 0x01))])
            else:
                head = bytes([rng.choice((0x02, 0x26, 0x40, 0x42, 0x44, 0x4E)), 1])
            nals.append(head + noise(size, round_number))
        limit = rng.randrange(64, 1301)
        payloads = packetize(unit(track, annexb(*nals)), limit)
        assert all(0 < len(payload) <= limit for payload in payloads)
        results = []
        for payload in payloads:
            marker = payload is payloads[-1]
            results.append(depacketizer.push(RtpPacket(96, seq, round_number, 1, strip(payload), marker)))
            seq = (seq + 1) & 0xFFFF
        assert all(result is None for result in results[:-1])
        assert results[-1] is not None
        assert results[-1].data == annexb(*nals) and results[-1].timestamp == round_number
    assert depacketizer.damaged == 0


@pytest.mark.parametrize("lengths", [(6000,), (5000, 4900), (2300, 9800), (13_000, 12_000)])
def test_the_slices_of_a_picture_make_one_run(lengths: tuple[int, ...]) -> None:
    slices = [b"\x41" + noise(length, length) for length in lengths]
    payloads = packetize_h264(annexb(*slices), 1160)
    assert len({len(payload) for payload in payloads[:-1]}) == 1
    assert len(payloads[-1]) <= len(payloads[0])
    padding = sum(len(payload) - len(strip(payload)) for payload in payloads)
    assert padding <= sum(lengths) / 64
    assert len(payloads) <= sum(-(-length // 1158) for length in lengths) + 1


def test_sound_is_padded_track_by_track() -> None:
    packetizer = Packetizer(1160)
    packets = [packetizer.packetize(unit(AUDIO, noise(size, size))) for size in (200, 190, 205)]
    assert [len(payloads[0]) for payloads in packets] == [200, 200, 208]
    assert isinstance(packets[1][0], PaddedPayload) and strip(packets[1][0]) == noise(190, 190)


def _sound(at_ms: float, data: bytes) -> AccessUnit:
    pts = round(at_ms * AUDIO.clock_rate / 1000)
    return AccessUnit(track=AUDIO, pts=pts, dts=pts, data=data, keyframe=True, received_at=0.0)


def test_two_sounds_that_follow_each_other_are_one_payload() -> None:
    packetizer = Packetizer(1160)
    first, second, third = (_sound(20 * n, b"\xfc" + noise(100 + n, n)) for n in range(3))
    assert packetizer.pair(first) is None
    packetizer.packetize(first)
    pair = packetizer.pair(second)
    assert pair is not None and pair[1] is first
    assert strip(pair[0]) == opus.pair(first.data, second.data) and len(pair[0]) % 8 == 0
    assert packetizer.pair(third) is None, "no triples"


@pytest.mark.parametrize(
    "second", [_sound(40, b"\xfc1"), _sound(0, b"\xfc1"), _sound(20, b"\xfc" + bytes(1159))]
)
def test_sounds_with_a_gap_or_too_long_for_one_packet_stay_two(second: AccessUnit) -> None:
    packetizer = Packetizer(1160)
    packetizer.packetize(_sound(0, b"\xfc1"))
    assert packetizer.pair(second) is None
