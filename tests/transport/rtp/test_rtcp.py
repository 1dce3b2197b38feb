import random

import pytest

from transport.errors import WireError
from transport.rtp import rtcp
from transport.rtp.rtcp import (
    Bye,
    Dlrr,
    FullIntraRequest,
    Nack,
    PictureLoss,
    ReceiverReferenceTime,
    ReceiverReport,
    Remb,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    parse_compound,
    serialize_compound,
)

BLOCK = ReportBlock(
    ssrc=7, fraction_lost=0.25, cumulative_lost=-3, highest_seq=70_000, jitter=90, lsr=5, dlsr=6
)
ALL: list[RtcpPacket] = [
    SenderReport(1, 0x0102030405060708, 0xFFFFFFFF, 10, 2000, (BLOCK,)),
    ReceiverReport(2, (BLOCK, BLOCK)),
    SourceDescription(((1, "cam"), (2, "microphone"))),
    Nack(1, 2, (10, 11, 26, 27, 65535)),
    PictureLoss(1, 2),
    FullIntraRequest(1, ((2, 7), (3, 8))),
    Remb(1, 2_500_000, (2, 3)),
    ReceiverReferenceTime(1, 0x1122334455667788),
    Dlrr(1, ((2, 3, 4), (5, 6, 7))),
    Bye((1, 2)),
]


@pytest.mark.parametrize("packet", ALL, ids=lambda packet: type(packet).__name__)
def test_a_packet_survives_the_wire(packet: RtcpPacket) -> None:
    wire = serialize_compound([packet])
    assert len(wire) % 4 == 0
    assert parse_compound(wire) == [packet]


def test_a_compound_keeps_its_order() -> None:
    assert parse_compound(serialize_compound(ALL)) == ALL


def test_a_nack_names_seventeen_packets_in_four_bytes() -> None:
    seqs = tuple(n & 0xFFFF for n in range(65_530, 65_547))
    wire = serialize_compound([Nack(1, 2, seqs)])
    assert wire[12:] == bytes.fromhex("fffa ffff")
    assert parse_compound(wire) == [Nack(1, 2, seqs)]


def test_a_bandwidth_estimate_larger_than_its_mantissa() -> None:
    (packet,) = parse_compound(serialize_compound([Remb(1, 10**10)]))
    assert isinstance(packet, Remb)
    assert packet.bitrate_bps == pytest.approx(10**10, rel=1e-5)


def test_a_receiver_report_as_rfc_3550_lays_it_out() -> None:
    wire = bytes.fromhex("81c90007 00000001 00000007 40fffffd 00011170 0000005a 00000005 00000006")
    assert parse_compound(wire) == [ReceiverReport(1, (BLOCK,))]


def test_types_and_formats_that_are_not_known_are_skipped() -> None:
    app = bytes.fromhex("80cc0002 00000001 41424344")
    transport_cc = bytes.fromhex("8fcd0003 00000001 00000002 00000000")
    assert parse_compound(app + transport_cc + serialize_compound([PictureLoss(1, 2)])) == [PictureLoss(1, 2)]


def test_padding_is_taken_off() -> None:
    assert parse_compound(bytes.fromhex("a0c90002 00000001 00000004")) == [ReceiverReport(1)]


@pytest.mark.parametrize(
    "wire",
    [
        "80",
        "80c90002 00000001",  # a word is missing
        "40c90001 00000001",  # version 1
        "81c90001 00000001",  # a block announced
        "80c80001 00000001",
        "82cb0001 00000001",  # two sources
        "81ca0002 00000001 0109aaaa",  # a CNAME beyond the end
        "81cd0001 00000001",
        "8fce0003 00000001 00000000 52454d42",
        "8fce0004 00000001 00000000 52454d42 ff000000",
        "80cf0003 00000001 04000001 00000000",  # a reference time of one word
        "80cf0002 00000001 05000003",
        "a0c90001 00000009",
        "a0c90000",
    ],
)
def test_what_goes_beyond_the_end_is_refused(wire: str) -> None:
    with pytest.raises(WireError):
        parse_compound(bytes.fromhex(wire))


def test_ntp_time_is_seconds_since_1900_in_32_32() -> None:
    assert rtcp.ntp_time(0.5) == (2_208_988_800 << 32) + (1 << 31)
    assert rtcp.middle_bits(0x1122334455667788) == 0x33445566


def test_too_many_items_for_one_packet() -> None:
    with pytest.raises(ValueError, match="31"):
        serialize_compound([Bye(tuple(range(32)))])


def test_noise_and_broken_packets_raise_nothing_but_wire_errors() -> None:
    rng = random.Random(5)
    good = [serialize_compound([packet]) for packet in ALL]
    parsed = 0
    for _ in range(30_000):
        wire = bytearray(rng.choice(good) + rng.choice(good))
        for _ in range(rng.randrange(4)):
            wire[rng.randrange(len(wire))] = rng.randrange(256)
        try:
            parse_compound(bytes(wire[: rng.randrange(len(wire) + 1)]))
            parsed += 1
        except WireError:
            pass
    assert parsed > 1000
