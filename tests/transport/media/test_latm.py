import pytest

from transport.errors import WireError
from transport.media.audioframe import UnsupportedAudio
from transport.media.latm import LatmReader

LC_48K_STEREO = format(0x1190, "016b")


def loas(bits: str) -> bytes:
    body = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    return (0x56E000 | len(body)).to_bytes(3, "big") + body


def mux_config(*, version: int = 0, sub_frames: int = 0, length_type: int = 0, rest: str = "00") -> str:
    bits = "0" + str(version) + ("0" + "00" + "1" * 8 if version else "")
    bits += "1" + format(sub_frames, "06b") + "0000" + "000"
    bits += "00" + format(16, "08b") if version else ""
    return bits + LC_48K_STEREO + format(length_type, "03b") + "1" * 8 + rest


def payload(data: bytes) -> str:
    size = "1" * 8 * (len(data) // 255) + format(len(data) % 255, "08b")
    return size + "".join(format(byte, "08b") for byte in data)


def read(reader: LatmReader, frame: bytes) -> tuple[int, int, bytes, bytes] | None:
    header = reader.parse(frame, 0)
    assert header is not None
    assert header.frame_bytes == len(frame)
    found = reader.unpack(header, frame)
    return found and (found[0].sample_rate, found[0].channels, found[0].config, found[1])


@pytest.mark.parametrize(
    "config",
    [
        mux_config(),
        mux_config(version=1),
        mux_config(rest="1" + "1" + "00000001" + "0" + "00001000" + "0"),  # other data, two size bytes
        mux_config(version=1, rest="1" + "00" + "00001000" + "0"),
        mux_config(rest="0" + "1" + "10101010"),  # CRC
    ],
)
@pytest.mark.parametrize("data", [b"\xaa\x55\x01", bytes(range(1, 256)) * 2])
def test_frames_come_out_of_their_odd_position(config: str, data: bytes) -> None:
    reader = LatmReader()
    assert read(reader, loas(config + payload(data))) == (48_000, 2, b"\x11\x90", data)
    assert read(reader, loas("1" + payload(data))) == (48_000, 2, b"\x11\x90", data)


def test_frames_before_the_configuration_cannot_be_used() -> None:
    assert read(LatmReader(), loas("1" + payload(b"\x01"))) is None


@pytest.mark.parametrize(
    "config", [mux_config(sub_frames=1), mux_config(length_type=1), "01" + "1" + "0" * 40]
)
def test_what_is_not_carried_is_named(config: str) -> None:
    with pytest.raises(UnsupportedAudio):
        read(LatmReader(), loas(config + payload(b"\x01")))


@pytest.mark.parametrize(
    "bits", [mux_config()[:20], mux_config() + payload(b"\x01" * 9)[:-8], mux_config() + "0" * 8]
)
def test_what_is_cut_or_empty_is_refused(bits: str) -> None:
    with pytest.raises(WireError):
        read(LatmReader(), loas(bits))


@pytest.mark.parametrize("data", [b"\x57\xe0\x01", b"\x56\xc0\x01", b"\x56\xe0\x00"])
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        LatmReader().parse(data, 0)


def test_a_header_that_is_still_arriving_waits() -> None:
    assert LatmReader().parse(b"\x56\xe0", 0) is None
