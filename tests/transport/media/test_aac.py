import pytest

from transport.errors import WireError
from transport.media import aac
from transport.media.audioframe import UnsupportedAudio
from transport.media.bits import BitReader


def adts(*, rate: int = 3, channels: int = 2, size: int = 200, blocks: int = 0, crc: bool = False) -> bytes:
    value = (
        0xFFF << 44 | (0 if crc else 1) << 40 | 1 << 38 | rate << 34 | channels << 30 | size << 13 | blocks
    )
    return (value & ~(0x7FF << 2) | 0x7FF << 2).to_bytes(7, "big")


@pytest.mark.parametrize(
    ("rate", "hz", "channels", "count"), [(3, 48_000, 2, 2), (4, 44_100, 1, 1), (6, 24_000, 7, 8)]
)
def test_a_header_gives_rate_channels_and_configuration(
    rate: int, hz: int, channels: int, count: int
) -> None:
    header = aac.parse_adts(b"?" + adts(rate=rate, channels=channels), 1)
    assert (header.sample_rate, header.channels, header.samples) == (hz, count, 1024)
    assert (header.frame_bytes, header.header_bytes) == (200, 7)
    assert aac.parse_config(header.config) == aac.AudioSpecificConfig(2, hz, count, 1024)


def test_a_checksum_belongs_to_the_header() -> None:
    assert aac.parse_adts(adts(crc=True), 0).header_bytes == 9


def test_what_cannot_be_carried_is_named() -> None:
    with pytest.raises(UnsupportedAudio, match="several blocks"):
        aac.parse_adts(adts(blocks=1), 0)


@pytest.mark.parametrize(
    "header", [b"\xfe" + adts()[1:], b"\xff\xe1" + adts()[2:], adts(rate=13), adts(size=7)]
)
def test_what_is_no_header_is_refused(header: bytes) -> None:
    with pytest.raises(WireError):
        aac.parse_adts(header, 0)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("1190", aac.AudioSpecificConfig(2, 48_000, 2, 1024)),
        ("1210", aac.AudioSpecificConfig(2, 44_100, 2, 1024)),
        ("2b118800", aac.AudioSpecificConfig(2, 24_000, 2, 1024)),  # explicit SBR: 48 kHz heard, 24 coded
        ("178005dc0880", aac.AudioSpecificConfig(2, 3000, 1, 1024)),  # rate written out
        ("1194", aac.AudioSpecificConfig(2, 48_000, 2, 960)),
    ],
)
def test_configurations(config: str, expected: aac.AudioSpecificConfig) -> None:
    assert aac.parse_config(bytes.fromhex(config)) == expected


def test_a_configuration_is_read_to_its_end() -> None:
    bits = BitReader(bytes.fromhex("1190") + b"\xab")
    aac.read_config(bits)
    assert bits.u(8) == 0xAB


@pytest.mark.parametrize("config", ["", "11", "1690", "11c0", "1180"])
def test_cut_or_reserved_configurations_are_refused(config: str) -> None:
    with pytest.raises(WireError):
        aac.parse_config(bytes.fromhex(config))


@pytest.mark.parametrize("config", ["8990", "4990"])
def test_other_codings_are_named(config: str) -> None:
    with pytest.raises(UnsupportedAudio):
        aac.parse_config(bytes.fromhex(config))


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (44_100, 1), (22_050, 6), (8_000, 8)])
def test_adts_headers_say_what_the_configuration_says(rate: int, channels: int) -> None:
    header = aac.serialize_adts(aac.AudioSpecificConfig(2, rate, channels, 1024), 300)
    parsed = aac.parse_adts(header, 0)
    assert (parsed.frame_bytes, parsed.header_bytes) == (307, 7)
    assert (parsed.sample_rate, parsed.channels) == (rate, channels)
    assert aac.parse_config(parsed.config) == aac.AudioSpecificConfig(2, rate, channels, 1024)


@pytest.mark.parametrize(
    ("config", "size"),
    [
        (aac.AudioSpecificConfig(2, 47_000, 2, 1024), 10),
        (aac.AudioSpecificConfig(7, 48_000, 2, 1024), 10),
        (aac.AudioSpecificConfig(2, 48_000, 2, 960), 10),
        (aac.AudioSpecificConfig(2, 48_000, 2, 1024), 8190),
    ],
)
def test_what_adts_cannot_say_is_refused(config: aac.AudioSpecificConfig, size: int) -> None:
    with pytest.raises(UnsupportedAudio):
        aac.serialize_adts(config, size)
