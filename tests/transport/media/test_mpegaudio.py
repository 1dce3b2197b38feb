import pytest

from transport.errors import WireError
from transport.media import Codec, mpegaudio
from transport.media.audioframe import UnsupportedAudio


# Lengths as in ISO/IEC 11172-3 section 2.4.3.1: 144 * bit rate / sampling rate, plus padding.
@pytest.mark.parametrize(
    ("header", "frame_bytes", "sample_rate", "channels"),
    [
        ("fffda404", 576, 48_000, 2),  # 192 kb/s
        ("fffda0c4", 626, 44_100, 1),
        ("fffda2c4", 627, 44_100, 1),  # padded
        ("fff58404", 384, 24_000, 2),  # MPEG-2, 64 kb/s
    ],
)
def test_layer_two(header: str, frame_bytes: int, sample_rate: int, channels: int) -> None:
    parsed = mpegaudio.parse_header(b"?" + bytes.fromhex(header), 1)
    assert (parsed.frame_bytes, parsed.sample_rate, parsed.channels) == (frame_bytes, sample_rate, channels)
    assert (parsed.samples, parsed.header_bytes, parsed.config) == (1152, 0, b"")
    assert parsed.codec is Codec.MP2


@pytest.mark.parametrize(
    ("header", "frame_bytes", "sample_rate", "channels", "samples"),
    [
        ("fffb9064", 417, 44_100, 2, 1152),  # 128 kb/s
        ("fffb96c4", 385, 48_000, 1, 1152),  # padded
        ("fff38004", 208, 22_050, 2, 576),  # MPEG-2, 64 kb/s
        ("ffe318c4", 72, 8_000, 1, 576),  # MPEG-2.5, 8 kb/s
    ],
)
def test_layer_three(header: str, frame_bytes: int, sample_rate: int, channels: int, samples: int) -> None:
    parsed = mpegaudio.parse_header(bytes.fromhex(header), 0)
    assert (parsed.frame_bytes, parsed.sample_rate, parsed.channels) == (frame_bytes, sample_rate, channels)
    assert (parsed.samples, parsed.codec) == (samples, Codec.MP3)


@pytest.mark.parametrize(
    ("header", "what"), [("ffffa404", "layer I"), ("fffd0404", "free"), ("fffb0404", "free")]
)
def test_what_is_not_carried_is_named(header: str, what: str) -> None:
    with pytest.raises(UnsupportedAudio, match=what):
        mpegaudio.parse_header(bytes.fromhex(header), 0)


@pytest.mark.parametrize(
    "header", ["00fda404", "ff1da404", "fff9a404", "ffeda404", "fffdf404", "fffdac04", "ffe5a404"]
)
def test_what_is_no_header_is_refused(header: str) -> None:
    with pytest.raises(WireError):
        mpegaudio.parse_header(bytes.fromhex(header), 0)
