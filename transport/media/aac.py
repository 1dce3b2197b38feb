"""AAC: ADTS frame headers and AudioSpecificConfig (ISO/IEC 14496-3 sections 1.6.2, 1.A.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from transport.errors import WireError
from transport.media.audioframe import AudioHeader, UnsupportedAudio
from transport.media.bits import BitReader
from transport.media.program_config import ProgramConfig, read_program

ADTS_HEADER_BYTES: Final = 7
FRAME_SAMPLES: Final = 1024

_SAMPLE_RATES = (
    (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
)  # fmt: skip
_CHANNELS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 8, 11: 7, 12: 8, 14: 8}
_SBR, _PS = 5, 29
# Object types whose configuration is GASpecificConfig (table 1.15).
_GENERAL_AUDIO = frozenset({1, 2, 3, 4, 6, 7})


@dataclass(frozen=True, slots=True)
class AudioSpecificConfig:
    """A decoder configuration (1.6.2.1).

    Attributes:
        object_type: of the core coder: 2 is AAC-LC.
        sample_rate: of the core coder, Hz; spectral band replication doubles what is heard.
        channels: of the core coder.
        samples: per frame and channel at `sample_rate`.
        program: which channels they are, where no number says it.
    """

    object_type: int
    sample_rate: int
    channels: int
    samples: int
    program: ProgramConfig | None = None


def parse_adts(data: bytes, position: int) -> AudioHeader:
    """Parse the ADTS header at `position`; at least `ADTS_HEADER_BYTES` must be there (1.A.2.2).

    Channels are 0 where a program config element in the frames describes them, and is to follow `config`.

    Raises:
        WireError: not an ADTS header.
        UnsupportedAudio: several raw blocks in a frame.
    """
    b1, b2, b3 = data[position + 1], data[position + 2], data[position + 3]
    if data[position] != 0xFF or b1 & 0xF6 != 0xF0:
        raise WireError("adts: no sync word here")
    rate_index = b2 >> 2 & 15
    channel_config = (b2 & 1) << 2 | b3 >> 6
    header_bytes = 7 if b1 & 1 else 9
    frame_bytes = (b3 & 3) << 11 | data[position + 4] << 3 | data[position + 5] >> 5
    if rate_index >= len(_SAMPLE_RATES) or frame_bytes <= header_bytes:
        raise WireError(f"adts: rate index {rate_index}, frame of {frame_bytes} bytes")
    if data[position + 6] & 3:
        raise UnsupportedAudio("AAC with several blocks in one ADTS frame")
    object_type = (b2 >> 6) + 1
    config = (object_type << 11 | rate_index << 7 | channel_config << 3).to_bytes(2, "big")
    channels = _CHANNELS.get(channel_config, 0)
    return AudioHeader(frame_bytes, header_bytes, FRAME_SAMPLES, _SAMPLE_RATES[rate_index], channels, config)


def parse_config(data: bytes) -> AudioSpecificConfig:
    """Parse an AudioSpecificConfig.

    Raises:
        WireError: truncated, or a reserved value.
        UnsupportedAudio: an object type other than the AAC family.
    """
    return read_config(BitReader(data))


def read_config(bits: BitReader) -> AudioSpecificConfig:
    """Read an AudioSpecificConfig and leave `bits` behind it (1.6.2.1, 4.4.1).

    Raises:
        WireError: truncated, or a reserved value.
        UnsupportedAudio: an object type other than the AAC family.
    """
    start = bits.left
    object_type = _read_object_type(bits)
    sample_rate = _read_sample_rate(bits)
    channel_config = bits.u(4)
    if object_type in (_SBR, _PS):
        _read_sample_rate(bits)
        object_type = _read_object_type(bits)
    if object_type not in _GENERAL_AUDIO:
        raise UnsupportedAudio(f"AAC object type {object_type}")
    short_frames = bits.flag()
    if bits.flag():
        bits.skip(14)  # core coder delay
    extended = bits.flag()
    if channel_config and channel_config not in _CHANNELS:
        raise WireError(f"aac: channel configuration {channel_config}")
    program = None if channel_config else read_program(bits, start)
    if object_type == 6:
        bits.skip(3)
    if extended:
        bits.skip(1)
    channels = program.channels if program is not None else _CHANNELS[channel_config]
    return AudioSpecificConfig(object_type, sample_rate, channels, 960 if short_frames else 1024, program)


def serialize_adts(config: AudioSpecificConfig, frame_bytes: int) -> bytes:
    """Write the ADTS header of one frame (1.A.2.2).

    Args:
        config: of the core coder.
        frame_bytes: of the raw frame that follows; one with the config's program element, where it has one.

    Raises:
        UnsupportedAudio: what the header cannot say: other object types, rates, channels or frame sizes.
    """
    channels = next((code for code, count in _CHANNELS.items() if count == config.channels and code < 8), 0)
    if config.program is not None:
        channels = 0
    is_said = channels or config.program is not None
    if config.sample_rate not in _SAMPLE_RATES or not 1 <= config.object_type <= 4 or not is_said:
        raise UnsupportedAudio(
            f"AAC object type {config.object_type} of {config.sample_rate} Hz and {config.channels} channels "
            "in ADTS"
        )
    size = ADTS_HEADER_BYTES + frame_bytes
    if size >= 1 << 13 or config.samples != FRAME_SAMPLES:
        raise UnsupportedAudio(f"AAC frame of {frame_bytes} bytes and {config.samples} samples in ADTS")
    rate = _SAMPLE_RATES.index(config.sample_rate)
    profile = config.object_type - 1
    # Buffer fullness of all ones: variable rate.
    header = 0xFFF1 << 40 | profile << 38 | rate << 34 | channels << 30 | size << 13 | 0x7FF << 2
    return header.to_bytes(ADTS_HEADER_BYTES, "big")


def _read_object_type(bits: BitReader) -> int:
    object_type = bits.u(5)
    return 32 + bits.u(6) if object_type == 31 else object_type


def _read_sample_rate(bits: BitReader) -> int:
    index = bits.u(4)
    if index == 15:
        sample_rate = bits.u(24)
        if sample_rate == 0:
            raise WireError("aac: sample rate of zero")
        return sample_rate
    if index >= len(_SAMPLE_RATES):
        raise WireError(f"aac: reserved sample rate index {index}")
    return _SAMPLE_RATES[index]
