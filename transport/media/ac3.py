"""AC-3 sync frame headers (ETSI TS 102 366 sections 4.4.1 and 4.4.2)."""

from __future__ import annotations

from typing import Final

from transport.errors import WireError
from transport.media.audioframe import AudioHeader, UnsupportedAudio

HEADER_BYTES: Final = 8

_SAMPLE_RATES = (48_000, 44_100, 32_000)
_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_CHANNELS = (2, 1, 2, 3, 3, 4, 4, 5)
_SAMPLES = 1536


def parse_header(data: bytes, position: int) -> AudioHeader:
    """Parse the sync frame header at `position`; at least `HEADER_BYTES` must be there.

    Raises:
        WireError: not a sync frame.
        UnsupportedAudio: E-AC-3 or another later bit stream.
    """
    if data[position] != 0x0B or data[position + 1] != 0x77:
        raise WireError("ac3: no sync word here")
    bsid = data[position + 5] >> 3
    if bsid > 10:
        raise UnsupportedAudio("E-AC-3 sound")
    rate_index, size_code = data[position + 4] >> 6, data[position + 4] & 0x3F
    if rate_index == 3 or size_code >= 2 * len(_KBPS):
        raise WireError("ac3: reserved value in the sync frame header")
    sample_rate, kbps = _SAMPLE_RATES[rate_index], _KBPS[size_code >> 1]
    # 44.1 kHz frames alternate between two lengths; the code's last bit says which (table 4.13).
    words = kbps * 96_000 // sample_rate + (size_code & 1 if rate_index == 1 else 0)
    mode = data[position + 6] >> 5
    # The LFE bit follows optional mix levels, two bits each (section 4.4.2).
    skipped = 3 + (2 if mode & 1 and mode != 1 else 0) + (2 if mode & 4 else 0) + (2 if mode == 2 else 0)
    lfe = (data[position + 6] << 8 | data[position + 7]) >> (15 - skipped) & 1
    # bsid 9 and 10 are half and quarter sampling rates.
    return AudioHeader(2 * words, 0, _SAMPLES, sample_rate >> max(bsid - 8, 0), _CHANNELS[mode] + lfe)
