import av
import pytest

from transport.errors import WireError
from transport.media import ac3
from transport.media.audioframe import UnsupportedAudio


@pytest.mark.parametrize("sample_rate", [32_000, 44_100, 48_000])
@pytest.mark.parametrize(("layout", "channels"), [("mono", 1), ("stereo", 2), ("5.1", 6), ("3.0", 3)])
def test_headers_say_what_the_encoder_made(sample_rate: int, layout: str, channels: int) -> None:
    encoder = av.CodecContext.create("ac3", "w")
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
        assert parsed.samples == encoder.frame_size


def test_eac3_is_named() -> None:
    with pytest.raises(UnsupportedAudio, match="E-AC-3"):
        ac3.parse_header(bytes.fromhex("0b77000000800000"), 0)


@pytest.mark.parametrize("header", ["0b78000000400000", "0b770000c0400000", "0b77000026400000"])
def test_what_is_no_header_is_refused(header: str) -> None:
    with pytest.raises(WireError):
        ac3.parse_header(bytes.fromhex(header), 0)
