"""AC-3 and E-AC-3 sync frame headers (ETSI TS 102 366 sections 4.4.1 and 4.4.2, annex E.1.3.1)."""

from __future__ import annotations

from typing import Final

from transport.errors import WireError
from transport.media.audioframe import AudioHeader
from transport.media.unit import Codec

HEADER_BYTES: Final = 8

_SAMPLE_RATES = (48_000, 44_100, 32_000)
_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_CHANNELS = (2, 1, 2, 3, 3, 4, 4, 5)
_SAMPLES = 1536
# Of E-AC-3: frames of a substream that changes another one, bit stream ids, samples and blocks of a frame.
_DEPENDENT, _RESERVED_TYPE = 1, 3
_FIRST_LATER_BSID, _LAST_BSID = 11, 16
_BLOCK_SAMPLES = 256
_BLOCKS = (1, 2, 3, 6)


def parse_header(data: bytes, position: int) -> AudioHeader:
    """Parse the sync frame header at `position`; at least `HEADER_BYTES` must be there.

    Raises:
        WireError: not a sync frame.
    """
    if data[position] != 0x0B or data[position + 1] != 0x77:
        raise WireError("ac3: no sync word here")
    bsid = data[position + 5] >> 3
    if bsid >= _FIRST_LATER_BSID:
        return _parse_enhanced(data, position, bsid)
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
    channels = _CHANNELS[mode] + lfe
    return AudioHeader(2 * words, 0, _SAMPLES, sample_rate >> max(bsid - 8, 0), channels, codec=Codec.AC3)


def _parse_enhanced(data: bytes, position: int, bsid: int) -> AudioHeader:
    """Parse what follows the sync word of E-AC-3 (E.1.2.2).

    A dependent substream adds channels to the independent one before it; further independent ones are other
    programmes. Decoders find either behind the first one's frame.
    """
    b2, b3, b4 = data[position + 2], data[position + 3], data[position + 4]
    kind, substream, frame_bytes = b2 >> 6, b2 >> 3 & 7, 2 * ((b2 & 7) << 8 | b3) + 2
    rate_index, second, mode, lfe = b4 >> 6, b4 >> 4 & 3, b4 >> 1 & 7, b4 & 1
    if kind == _RESERVED_TYPE or bsid > _LAST_BSID or frame_bytes < HEADER_BYTES or rate_index == second == 3:
        raise WireError("eac3: reserved value in the sync frame header")
    # The fourth rate means half of one that follows, with all six blocks.
    is_half = rate_index == 3
    return AudioHeader(
        frame_bytes,
        0,
        _BLOCK_SAMPLES * (6 if is_half else _BLOCKS[second]),
        _SAMPLE_RATES[second] // 2 if is_half else _SAMPLE_RATES[rate_index],
        _CHANNELS[mode] + lfe,
        codec=Codec.EAC3,
        continues=kind == _DEPENDENT or substream > 0,
    )
