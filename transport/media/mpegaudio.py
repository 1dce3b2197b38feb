"""MPEG-1 and MPEG-2 audio layer II frame headers (ISO/IEC 11172-3 section 2.4.1.3, 13818-3)."""

from __future__ import annotations

from typing import Final

from transport.errors import WireError
from transport.media.audioframe import AudioHeader, UnsupportedAudio

HEADER_BYTES: Final = 4

_SAMPLE_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000)}
# kb/s of layer II by bitrate_index; MPEG-2's low sampling rates have their own row.
_KBPS = {
    3: (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLES = 1152
_LAYER_NAMES = {3: "I", 1: "III"}


def parse_header(data: bytes, position: int) -> AudioHeader:
    """Parse the frame header at `position`; at least `HEADER_BYTES` must be there.

    Raises:
        WireError: not a frame header.
        UnsupportedAudio: layer I or III, or free format.
    """
    b1, b2, b3 = data[position + 1], data[position + 2], data[position + 3]
    version, layer = b1 >> 3 & 3, b1 >> 1 & 3
    if data[position] != 0xFF or b1 & 0xE0 != 0xE0 or version not in _KBPS or layer == 0:
        raise WireError("mpeg audio: no frame header here")
    rate_index, bitrate_index = b2 >> 2 & 3, b2 >> 4
    if rate_index == 3 or bitrate_index == 15:
        raise WireError("mpeg audio: reserved value in the frame header")
    if layer != 2:
        raise UnsupportedAudio(f"MPEG audio layer {_LAYER_NAMES[layer]}")
    if bitrate_index == 0:
        raise UnsupportedAudio("MPEG audio in free format")
    sample_rate = _SAMPLE_RATES[version][rate_index]
    frame_bytes = 144_000 * _KBPS[version][bitrate_index] // sample_rate + (b2 >> 1 & 1)
    return AudioHeader(frame_bytes, 0, _SAMPLES, sample_rate, 1 if b3 >> 6 == 3 else 2)
