import random

import pytest

from transport.errors import WireError
from transport.media import Codec
from transport.rtp.depacketize import Assembled, Depacketizer, may_begin_keyframe
from transport.rtp.header import RtpPacket

START = b"\0\0\0\1"


def packet(seq: int, payload: bytes, *, timestamp: int = 1, marker: bool = False) -> RtpPacket:
    return RtpPacket(96, seq, timestamp, 1, payload, marker)


def test_a_gap_spoils_the_unit_it_falls_into_and_no_other() -> None:
    depacketizer = Depacketizer(Codec.H264)
    assert depacketizer.push(packet(1, b"\x7c\x85a")) is None
    assert depacketizer.push(packet(3, b"\x7c\x45c", marker=True)) is None
    assert depacketizer.damaged == 1
    assert depacketizer.push(packet(4, b"\x41z", timestamp=2, marker=True)) == Assembled(2, START + b"\x41z")


def test_a_lost_marker_spoils_what_came_before() -> None:
    depacketizer = Depacketizer(Codec.H264)
    assert depacketizer.push(packet(1, b"\x41a")) is None
    unit = depacketizer.push(packet(2, b"\x41b", timestamp=2, marker=True))
    assert unit == Assembled(2, START + b"\x41b") and depacketizer.damaged == 1


def test_opus_packets_come_out_as_they_are() -> None:
    depacketizer = Depacketizer(Codec.OPUS)
    assert depacketizer.push(packet(1, b"sound", timestamp=960)) == Assembled(960, b"sound")
    assert depacketizer.push(packet(2, b"")) is None


@pytest.mark.parametrize(
    ("codec", "payload"),
    [
        (Codec.H264, b"\x7c\x05a"),  # a fragment without its start
        (Codec.H264, b"\x7c"),
        (Codec.H264, b"\x78\x00\x05ab"),  # STAP-A beyond the end
        (Codec.H264, b"\x78\x00\x00"),
        (Codec.H264, b"\x79abc"),  # STAP-B
        (Codec.H265, b"\x62\x01"),
        (Codec.H265, b"\x62\x01\x13a"),
        (Codec.H265, b"\x60\x01\x00\x09a"),
        (Codec.H265, b"\x64\x01abc"),  # PACI
    ],
)
def test_malformed_payloads_are_refused_and_the_next_unit_is_not(codec: Codec, payload: bytes) -> None:
    depacketizer = Depacketizer(codec)
    with pytest.raises(WireError):
        depacketizer.push(packet(1, payload, marker=True))
    good = b"\x02\x01ok"
    assert depacketizer.push(packet(2, good, timestamp=2, marker=True)) == Assembled(2, START + good)
    assert depacketizer.damaged == 1


def test_a_fragment_that_starts_inside_another_is_refused() -> None:
    depacketizer = Depacketizer(Codec.H264)
    depacketizer.push(packet(1, b"\x7c\x85a"))
    with pytest.raises(WireError):
        depacketizer.push(packet(2, b"\x7c\x85a"))
    assert depacketizer.push(packet(3, b"\x41z", marker=True)) is None
    assert depacketizer.damaged == 1


def test_a_unit_without_end_is_given_up() -> None:
    depacketizer = Depacketizer(Codec.H264)
    depacketizer.push(packet(0, b"\x7c\x85a"))
    with pytest.raises(WireError, match="more than"):
        for seq in range(1, 400):
            depacketizer.push(packet(seq, b"\x7c\x05" + bytes(60_000)))


def test_other_codecs_are_refused() -> None:
    with pytest.raises(ValueError, match="aac"):
        Depacketizer(Codec.AAC)


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265, Codec.OPUS])
def test_noise_raises_nothing_but_wire_errors(codec: Codec) -> None:
    rng = random.Random(3)
    depacketizer = Depacketizer(codec)
    refused = 0
    for seq in range(20_000):
        noise = rng.randbytes(rng.randrange(12))
        try:
            depacketizer.push(packet(seq & 0xFFFF, noise, timestamp=seq // 3, marker=rng.random() < 0.3))
        except WireError:
            refused += 1
    assert refused == 0 if codec is Codec.OPUS else refused > 100


def test_padding_between_units_fills_no_gap_and_ends_nothing() -> None:
    depacketizer = Depacketizer(Codec.H264)
    assert depacketizer.push(packet(1, b"\x41a", marker=True)) is not None
    assert depacketizer.push(packet(2, b"")) is None
    assert depacketizer.push(packet(3, b"\x7c\x85b", timestamp=2)) is None
    assert depacketizer.push(packet(4, b"", timestamp=1)) is None
    unit = depacketizer.push(packet(5, b"\x7c\x45c", timestamp=2, marker=True))
    assert unit == Assembled(2, START + b"\x65bc") and depacketizer.damaged == 0


def test_a_gap_before_padding_is_still_a_gap() -> None:
    depacketizer = Depacketizer(Codec.H264)
    assert depacketizer.push(packet(1, b"\x41a", marker=True)) is not None
    assert depacketizer.push(packet(3, b"")) is None
    assert depacketizer.push(packet(4, b"\x41b", timestamp=2, marker=True)) is None
    assert depacketizer.damaged == 1


@pytest.mark.parametrize(
    ("codec", "payload"),
    [
        (Codec.H264, b"\x67sps"),
        (Codec.H264, b"\x78\x00\x04\x67sps"),
        (Codec.H264, b"\x09\x10"),
        (Codec.H265, b"\x40\x01vps"),
        (Codec.H265, b"\x60\x01\x00\x05\x40\x01vps"),
    ],
)
def test_a_gap_does_not_spoil_a_unit_that_came_from_its_very_beginning(codec: Codec, payload: bytes) -> None:
    depacketizer = Depacketizer(codec)
    picture = b"\x65i" if codec is Codec.H264 else b"\x26\x01i"
    depacketizer.push(packet(1, picture, marker=True))
    assert depacketizer.push(packet(3, payload, timestamp=2)) is None
    unit = depacketizer.push(packet(4, picture, timestamp=2, marker=True))
    assert unit is not None and unit.data.endswith(START + picture) and depacketizer.damaged == 0


@pytest.mark.parametrize(
    ("codec", "payload", "may"),
    [
        (Codec.H264, b"\x67sps", True),
        (Codec.H264, b"\x78\x00\x04\x67sps", True),
        (Codec.H264, b"\x65idr", True),
        (Codec.H264, b"\x7c\x85idr", True),
        (Codec.H264, b"\x41slice", False),
        (Codec.H264, b"\x7c\x81slice", False),
        (Codec.H264, b"\x78", False),
        (Codec.H264, b"", False),
        (Codec.H265, b"\x40\x01vps", True),
        (Codec.H265, b"\x60\x01\x00\x05\x40\x01vps", True),
        (Codec.H265, b"\x26\x01idr", True),
        (Codec.H265, b"\x62\x01\x93idr", True),
        (Codec.H265, b"\x02\x01slice", False),
        (Codec.H265, b"\x62\x01\x81slice", False),
        (Codec.H265, b"\x60\x01", False),
        (Codec.H265, b"", False),
    ],
)
def test_what_a_keyframe_begins_with(codec: Codec, payload: bytes, may: bool) -> None:
    assert may_begin_keyframe(codec, payload) is may
