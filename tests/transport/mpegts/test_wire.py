import random

import pytest

from tests.transport.mpegts import muxer
from transport.errors import WireError
from transport.media import Codec
from transport.mpegts.wire import crc32, parse_adaptation, parse_pat, parse_pes, parse_pmt


def test_the_crc_is_that_of_the_standard() -> None:
    assert crc32(b"123456789") == 0x0376E6E7  # CRC-32/MPEG-2's check value
    assert crc32(muxer.pat((1, 0x1000))) == 0


def adaptation(field: bytes, *, payload: int = 20) -> bytes:
    return (b"\x47\x01\x00\x30" + bytes([len(field)]) + field + bytes(payload)).ljust(188, b"\x00")


@pytest.mark.parametrize(
    ("field", "stuffed"),
    [
        (b"", True),  # the length byte alone
        (b"\x00", True),
        (b"\x40", False),  # random access, nothing to fill
        (b"\x00\xff", True),
        (b"\x10" + bytes(6), False),  # PCR
        (b"\x50" + bytes(6) + b"\xff", True),
        (b"\x18" + bytes(12), False),  # PCR and OPCR
        (b"\x04\x05", False),  # splice countdown
        (b"\x02\x03abc", False),  # private data
        (b"\x02\x03abc\xff", True),
        (b"\x01\x02\x00\x00", False),  # extension
        (b"\x1f" + bytes(12) + b"\x05" + b"\x01a" + b"\x01\x00", False),
        (b"\x1f" + bytes(12) + b"\x05" + b"\x01a" + b"\x01\x00\xff", True),
    ],
)
def test_stuffing_is_what_the_flags_do_not_need(field: bytes, stuffed: bool) -> None:
    assert parse_adaptation(b"?" + adaptation(field), 1) == (5 + len(field), stuffed, False)


def test_the_discontinuity_indicator() -> None:
    assert parse_adaptation(adaptation(b"\x80"), 0)[2]


@pytest.mark.parametrize("field", [b"\x10", b"\x02\x09a", b"\x01\x09a", b"\x1e" + bytes(13)])
def test_fields_shorter_than_their_flags_are_refused(field: bytes) -> None:
    with pytest.raises(WireError):
        parse_adaptation(adaptation(field), 0)


def test_a_field_longer_than_the_packet_is_refused() -> None:
    with pytest.raises(WireError):
        parse_adaptation(b"\x47\x01\x00\x30\xb8".ljust(188, b"\x00"), 0)


def test_timestamps_of_33_bits() -> None:
    rng = random.Random(5)
    for _ in range(200):
        pts, dts = rng.getrandbits(33), rng.getrandbits(33)
        header = parse_pes(muxer.pes(b"data", pts, dts))
        assert (header.pts, header.dts, header.payload_at) == (pts, dts, 19)
        header = parse_pes(muxer.pes(b"data", pts))
        assert (header.pts, header.dts, header.payload_at) == (pts, None, 14)
    assert parse_pes(muxer.pes(b"data", None)).pts is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x00\x01\xe0\x00\x00\x80\x00",
        b"\x00\x00\x02\xe0\x00\x00\x80\x00\x00",
        b"\x00\x00\x01\xe0\x00\x00\x40\x00\x00",
        b"\x00\x00\x01\xe0\x00\x00\x80\x80\x05",
        b"\x00\x00\x01\xe0\x00\x00\x80\xc0\x05" + bytes(5),
    ],
)
def test_what_is_no_pes_header_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        parse_pes(data)


def test_the_network_is_no_program() -> None:
    assert parse_pat(muxer.pat((0, 16), (3, 0x30), (4, 0x40))) == ((3, 0x30), (4, 0x40))


@pytest.mark.parametrize(
    ("stream_type", "descriptors", "codec"),
    [
        (0x1B, b"", Codec.H264),
        (0x24, b"", Codec.H265),
        (0x0F, b"", Codec.AAC),
        (0x11, b"", Codec.AAC),
        (0x03, b"", Codec.MP2),
        (0x04, b"", Codec.MP2),
        (0x81, b"\x05\x04AC-3", Codec.AC3),
        (0x06, b"\x05\x04AC-3", Codec.AC3),
        (0x06, b"\x6a\x01\x00", Codec.AC3),
        (0x06, muxer.OPUS_DESCRIPTORS, Codec.OPUS),
        (0x06, b"\x05\x04HEVC", Codec.H265),
        (0x06, b"", None),
        (0x01, b"", Codec.MPEG2),
        (0x02, b"", Codec.MPEG2),
        (0x10, b"", None),
        (0x87, b"", Codec.EAC3),
        (0x06, b"\x7a\x00", Codec.EAC3),
        (0x06, b"\x05\x04EAC3", Codec.EAC3),
    ],
)
def test_codings_by_stream_type_and_descriptors(
    stream_type: int, descriptors: bytes, codec: Codec | None
) -> None:
    (entry,) = parse_pmt(muxer.pmt((stream_type, 0x123, descriptors)))
    assert (entry.pid, entry.codec, entry.latm) == (0x123, codec, stream_type == 0x11)


@pytest.mark.parametrize(
    ("stream_type", "descriptors", "name"),
    [
        (0x06, b"\x59\x00", "DVB subtitles"),
        (0x06, b"\x56\x00", "teletext"),
        (0x10, b"", "MPEG-4 part 2 video"),
        (0x42, b"", "stream type 0x42"),
    ],
)
def test_what_is_not_carried_has_a_name(stream_type: int, descriptors: bytes, name: str) -> None:
    assert parse_pmt(muxer.pmt((stream_type, 0x123, descriptors)))[0].name == name


@pytest.mark.parametrize(("code", "channels"), [(0, 2), (1, 1), (2, 2), (8, 8), (0x81, 0)])
def test_opus_channels(code: int, channels: int) -> None:
    descriptors = b"\x05\x04Opus\x7f\x02\x80" + bytes([code])
    assert parse_pmt(muxer.pmt((0x06, 0x123, descriptors)))[0].channels == channels


def test_languages() -> None:
    entries = parse_pmt(muxer.pmt((0x0F, 1, b"\x0a\x04DEU\x00"), (0x0F, 2, b"\x0a\x04\x00\xff1\x00")))
    assert [entry.language for entry in entries] == ["deu", ""]


def test_lengths_that_do_not_fit_are_refused() -> None:
    whole = muxer.pmt((0x1B, 0x100, b"\x05\x04HDMV"))
    for at, value in ((11, 0xFF), (16, 0xFF), (18, 0x30)):
        broken = bytearray(whole)
        broken[at] = value
        if at == 11:
            assert parse_pmt(bytes(broken)) == ()
            continue
        with pytest.raises(WireError):
            parse_pmt(bytes(broken))
    with pytest.raises(WireError):
        parse_pmt(whole[:12])
    with pytest.raises(WireError):
        parse_pmt(whole[:17] + whole[-4:])
