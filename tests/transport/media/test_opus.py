import av
import numpy as np
import pytest

from transport.errors import WireError
from transport.media import opus
from transport.media.audioframe import UnsupportedAudio


def _encoder(**options: str) -> av.AudioCodecContext:
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "stereo", "s16"
    encoder.options = options
    encoder.open()
    return encoder


@pytest.mark.parametrize("duration_ms", ["2.5", "5", "10", "20", "40", "60"])
def test_the_duration_is_what_the_encoder_was_asked_for(duration_ms: str) -> None:
    encoder = _encoder(frame_duration=duration_ms)
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


def _coded(count: int, bit_rate: int, **options: str) -> list[bytes]:
    """Opus packets of noise that swells and fades, so that their lengths differ."""
    encoder = _encoder(**options)
    encoder.bit_rate = bit_rate
    rng = np.random.default_rng(7)
    packets = []
    for n in range(count):
        loudness = 3000 * (1 + np.sin(n / 3))
        samples = rng.normal(0, loudness, (1, 2 * encoder.frame_size)).clip(-32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
        frame.sample_rate, frame.pts = 48_000, n * encoder.frame_size
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


def _decoded(packets: list[bytes]) -> np.ndarray:
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = 48_000, "stereo"
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(packet))]
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


@pytest.mark.parametrize("options", [{}, {"vbr": "off"}, {"frame_duration": "10"}], ids=["20", "cbr", "10"])
@pytest.mark.parametrize("bit_rate", [32_000, 128_000, 320_000])
def test_a_pair_sounds_like_its_two_packets(bit_rate: int, options: dict[str, str]) -> None:
    packets = _coded(40, bit_rate, **options)
    pairs = [opus.pair(a, b) for a, b in zip(packets[::2], packets[1::2], strict=True)]
    whole = [pair for pair in pairs if pair is not None]
    assert len(whole) == 20
    assert all(opus.packet_samples(pair) == 2 * opus.packet_samples(packets[0]) for pair in whole)
    assert np.array_equal(_decoded(whole), _decoded(packets))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"", b"\xfc1"),
        (b"\xfc1", b""),
        (b"\xfc1", b"\xf81"),  # stereo and mono
        (b"\xfd12", b"\xfd12"),  # two frames already
        (b"\x5c1", b"\x5c1"),  # 60 ms each
        (b"\xfc1", b"\xfc" + bytes(1276)),  # no frame is as long
    ],
)
def test_what_cannot_be_a_pair(first: bytes, second: bytes) -> None:
    assert opus.pair(first, second) is None


def test_packets_without_a_frame_make_a_pair_too() -> None:
    assert opus.pair(b"\xfc", b"\xfc") == b"\xfd"
    assert opus.pair(b"\xfc", b"\xfc1") == b"\xfe\x001"


def test_identification_headers_say_how_many_channels() -> None:
    assert opus.header_channels(bytes(_encoder().extradata or b"")) == 2
    for channels in range(3, 9):
        assert opus.header_channels(opus.surround_header(channels)) == channels


@pytest.mark.parametrize(
    "header", [b"", b"OpusHead\x01\x02", b"OpusTags" + bytes(20), b"OpusHead" + bytes(11)]
)
def test_what_is_no_identification_header_is_refused(header: bytes) -> None:
    with pytest.raises(WireError):
        opus.header_channels(header)


def test_channels_in_another_order_are_not_taken_for_the_usual_one() -> None:
    header = opus.surround_header(6)
    for other in (header[:18] + b"\xff" + header[19:], header[:-1], header[:-2] + b"\x04\x05"):
        with pytest.raises(UnsupportedAudio, match="6 channels in an order of its own"):
            opus.header_channels(other)
    with pytest.raises(UnsupportedAudio, match="version 16"):
        opus.header_channels(header[:8] + b"\x10" + header[9:])
