import av
import pytest

from transport.errors import WireError
from transport.media import Codec, ac3


@pytest.mark.parametrize("codec", ["ac3", "eac3"])
@pytest.mark.parametrize("sample_rate", [32_000, 44_100, 48_000])
@pytest.mark.parametrize(("layout", "channels"), [("mono", 1), ("stereo", 2), ("5.1", 6), ("3.0", 3)])
def test_headers_say_what_the_encoder_made(codec: str, sample_rate: int, layout: str, channels: int) -> None:
    encoder = av.CodecContext.create(codec, "w")
    encoder.sample_rate, encoder.layout, encoder.format = sample_rate, layout, "fltp"
    encoder.bit_rate = 448_000
    encoder.open()
    packets = []
    for index in range(4):
        frame = av.AudioFrame(format="fltp", layout=layout, samples=encoder.frame_size)
        frame.sample_rate, frame.pts = sample_rate, index * encoder.frame_size
        packets += encoder.encode(frame)
    assert packets
    for packet in packets:
        parsed = ac3.parse_header(bytes(packet), 0)
        assert (parsed.frame_bytes, parsed.sample_rate, parsed.channels) == (
            packet.size,
            sample_rate,
            channels,
        )
        assert (parsed.samples, parsed.codec, parsed.continues) == (encoder.frame_size, codec, False)


def enhanced(kind: int = 0, substream: int = 0, rate: int = 0, second: int = 3, bsid: int = 16) -> bytes:
    """The beginning of an E-AC-3 frame of 5.1 channels in 384 words."""
    head = kind << 6 | substream << 3 | 383 >> 8
    return bytes((0x0B, 0x77, head, 383 & 255, rate << 6 | second << 4 | 0xF, bsid << 3, 0, 0))


@pytest.mark.parametrize(
    ("frame", "sample_rate", "samples", "continues"),
    [
        (enhanced(), 48_000, 1536, False),
        (enhanced(rate=1, second=0), 44_100, 256, False),
        (enhanced(rate=3, second=2), 16_000, 1536, False),
        (enhanced(kind=1), 48_000, 1536, True),
        (enhanced(substream=1), 48_000, 1536, True),
        (enhanced(kind=2), 48_000, 1536, False),
    ],
)
def test_enhanced_frames(frame: bytes, sample_rate: int, samples: int, continues: bool) -> None:
    parsed = ac3.parse_header(frame, 0)
    assert (parsed.frame_bytes, parsed.sample_rate, parsed.samples) == (768, sample_rate, samples)
    assert (parsed.channels, parsed.codec, parsed.continues) == (6, Codec.EAC3, continues)


@pytest.mark.parametrize(
    "frame", [enhanced(kind=3), enhanced(rate=3, second=3), enhanced(bsid=17), b"\x0b\x77\0\0\x30\x80\0\0"]
)
def test_what_is_no_enhanced_frame_is_refused(frame: bytes) -> None:
    with pytest.raises(WireError):
        ac3.parse_header(frame, 0)


@pytest.mark.parametrize("header", ["0b78000000400000", "0b770000c0400000", "0b77000026400000"])
def test_what_is_no_header_is_refused(header: str) -> None:
    with pytest.raises(WireError):
        ac3.parse_header(bytes.fromhex(header), 0)
