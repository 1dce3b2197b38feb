import random

import pytest

from transport.errors import WireError
from transport.rtp import header
from transport.rtp.header import RtpPacket


def test_a_packet_survives_the_wire() -> None:
    packet = RtpPacket(
        payload_type=102,
        seq=65535,
        timestamp=0xFFFFFFFF,
        ssrc=0x1234,
        payload=b"picture",
        marker=True,
        extensions=((4, b"0"), (6, b"\x00\x00\x64")),
        csrcs=(1, 2),
    )
    assert header.parse(header.serialize(packet)) == packet


def test_the_fixed_header_is_laid_out_as_rfc_3550_says() -> None:
    wire = header.serialize(RtpPacket(96, 0x0102, 0x03040506, 0x0708090A, b"\xff", marker=True))
    assert wire == bytes.fromhex("80e0 0102 03040506 0708090a ff")


def test_extensions_are_laid_out_as_rfc_8285_says() -> None:
    assert header.serialize_extensions([(4, b"0"), (6, b"\x01\x02\x03")]) == bytes.fromhex(
        "bede 0002 40 30 62 010203 0000"
    )


def test_padding_is_taken_off() -> None:
    wire = bytes.fromhex("a060 0001 00000002 00000003") + b"abc" + b"\0\0\3"
    assert header.parse(wire).payload == b"abc"


def test_extensions_of_another_profile_are_skipped() -> None:
    wire = bytes.fromhex("9060 0001 00000002 00000003 1000 0001 01020304") + b"abc"
    packet = header.parse(wire)
    assert packet.extensions == () and packet.payload == b"abc"


def test_extension_padding_and_the_reserved_id_end_where_they_should() -> None:
    wire = bytes.fromhex("9060 0001 00000002 00000003 bede 0002 00 10aa 00 f0 10bb 00") + b"abc"
    packet = header.parse(wire)
    assert packet.extensions == ((1, b"\xaa"),) and packet.payload == b"abc"
    assert packet.extension(1) == b"\xaa" and packet.extension(2) is None


@pytest.mark.parametrize(
    "wire",
    [
        "",
        "80e0",
        "40e0 0102 03040506 0708090a",  # version 1
        "82e0 0102 03040506 0708090a 00000001",  # two sources announced
        "90e0 0102 03040506 0708090a be",
        "90e0 0102 03040506 0708090a bede 0002 00000000",
        "90e0 0102 03040506 0708090a bede 0001 10aa 2faa",  # 16 bytes, 1 left
        "a0e0 0102 03040506 0708090a 05",
        "a0e0 0102 03040506 0708090a",
    ],
)
def test_what_goes_beyond_the_end_is_refused(wire: str) -> None:
    with pytest.raises(WireError):
        header.parse(bytes.fromhex(wire))


@pytest.mark.parametrize("extensions", [[(0, b"x")], [(15, b"x")], [(1, b"")], [(1, bytes(17))]])
def test_extensions_that_the_one_byte_form_cannot_carry(extensions: list[tuple[int, bytes]]) -> None:
    with pytest.raises(ValueError, match="header extension"):
        header.serialize_extensions(extensions)


def test_noise_raises_nothing_but_wire_errors() -> None:
    rng = random.Random(1)
    parsed = 0
    for _ in range(20_000):
        wire = bytes([rng.choice((0x80, 0x90, 0xB0, 0xBF, rng.randrange(256)))]) + rng.randbytes(
            rng.randrange(60)
        )
        try:
            header.parse(wire)
            parsed += 1
        except WireError:
            pass
    assert parsed > 100
