"""MPEG-1 and MPEG-2 audio frame headers, layers II and III (ISO/IEC 11172-3 section 2.4.1.3, 13818-3)."""

from __future__ import annotations

from typing import Final

from transport.errors import WireError
from transport.media.audioframe import AudioHeader, UnsupportedAudio
from transport.media.unit import Codec

HEADER_BYTES: Final = 4

# By version: MPEG-1, MPEG-2, and the extension of layer III to the lowest rates that is called MPEG-2.5.
_SAMPLE_RATES = {
    3: (44_100, 48_000, 32_000),
    2: (22_050, 24_000, 16_000),
    0: (11_025, 12_000, 8_000),
}
_LAYER_TWO, _LAYER_THREE = 2, 1
_CODECS = {_LAYER_TWO: Codec.MP2, _LAYER_THREE: Codec.MP3}
_LOW_KBPS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
# kb/s by version, layer and bitrate_index.
_KBPS = {
    (3, _LAYER_TWO): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, _LAYER_THREE): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, _LAYER_TWO): _LOW_KBPS,
    (2, _LAYER_THREE): _LOW_KBPS,
    (0, _LAYER_THREE): _LOW_KBPS,
}


def parse_header(data: bytes, position: int) -> AudioHeader:
    """Parse the frame header at `position`; at least `HEADER_BYTES` must be there.

    Raises:
        WireError: not a frame header.
        UnsupportedAudio: layer I, or free format.
    """
    b1, b2, b3 = data[position + 1], data[position + 2], data[position + 3]
    version, layer = b1 >> 3 & 3, b1 >> 1 & 3
    if data[position] != 0xFF or b1 & 0xE0 != 0xE0 or version not in _SAMPLE_RATES or layer == 0:
        raise WireError("mpeg audio: no frame header here")
    rate_index, bitrate_index = b2 >> 2 & 3, b2 >> 4
    if rate_index == 3 or bitrate_index == 15:
        raise WireError("mpeg audio: reserved value in the frame header")
    if layer not in _CODECS:
        raise UnsupportedAudio("MPEG audio layer I")
    kbps = _KBPS.get((version, layer))
    if kbps is None:
        raise WireError("mpeg audio: a sampling rate that layer II does not have")
    if bitrate_index == 0:
        raise UnsupportedAudio("MPEG audio in free format")
    samples = 576 if layer == _LAYER_THREE and version != 3 else 1152
    sample_rate = _SAMPLE_RATES[version][rate_index]
    frame_bytes = samples * 125 * kbps[bitrate_index] // sample_rate + (b2 >> 1 & 1)
    channels = 1 if b3 >> 6 == 3 else 2
    return AudioHeader(frame_bytes, 0, samples, sample_rate, channels, codec=_CODECS[layer])
