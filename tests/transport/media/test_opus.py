import av
import pytest

from transport.errors import WireError
from transport.media import opus


@pytest.mark.parametrize("duration_ms", ["2.5", "5", "10", "20", "40", "60"])
def test_the_duration_is_what_the_encoder_was_asked_for(duration_ms: str) -> None:
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "stereo", "s16"
    encoder.options = {"frame_duration": duration_ms}
    encoder.open()
    frame = av.AudioFrame(format="s16", layout="stereo", samples=encoder.frame_size)
    frame.sample_rate, frame.pts = 48_000, 0
    packets = encoder.encode(frame) + encoder.encode(None)
    assert opus.packet_samples(bytes(packets[0])) == float(duration_ms) * 48
    assert opus.packet_channels(bytes(packets[0])) == 2


def test_codes_for_several_frames() -> None:
    config = 15 << 3  # hybrid, 20 ms
    assert opus.packet_samples(bytes([config])) == 960
    assert opus.packet_samples(bytes([config | 1])) == 1920
    assert opus.packet_samples(bytes([config | 2])) == 1920
    assert opus.packet_samples(bytes([config | 3, 6])) == 5760
    assert opus.packet_channels(bytes([config])) == 1


@pytest.mark.parametrize("packet", [b"", b"\x7b", b"\x7b\x00", b"\x7b\x07"])
def test_packets_without_or_beyond_120_ms_are_refused(packet: bytes) -> None:
    with pytest.raises(WireError):
        opus.packet_samples(packet)


def test_an_empty_packet_has_no_channels() -> None:
    with pytest.raises(WireError):
        opus.packet_channels(b"")
