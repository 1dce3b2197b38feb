"""Decoder configurations as MP4, FLV and Enhanced RTMP want them: avcC and hvcC (ISO/IEC 14496-15).

The way back is `parameter_sets.parameter_sets_from_extradata`.
"""

from __future__ import annotations

from collections.abc import Sequence

from transport.errors import WireError
from transport.media import h264, h265
from transport.media.annexb import split_annexb, unescape
from transport.media.unit import Codec, Track

# Profiles whose avcC ends with chroma format and bit depths (5.3.3.1.2).
_AVCC_EXTENDED = frozenset({100, 110, 122, 144})
# Where the lowest two bits are the size of lengths, less one.
_LENGTH_SIZE_AT = {Codec.H264: 4, Codec.H265: 21}
# A picture of 8K in the smallest slices has fewer; each costs more memory than its bytes.
_MAX_NALS = 4096
# Bytes of NAL unit header and first SPS byte before profile_tier_level, and of what hvcC takes over from it.
_PTL_AT, _PTL_BYTES = 3, 12


def video_configuration(track: Track) -> bytes:
    """What a decoder must know before the first picture, with 4-byte NAL unit lengths.

    Args:
        track: H.264 or H.265, its parameter sets known.

    Raises:
        WireError: parameter sets are missing, too many or malformed.
    """
    if track.codec is Codec.H264:
        return _avcc(track.parameter_sets)
    return _hvcc(track.parameter_sets)


def length_prefixed(data: bytes, codec: Codec) -> bytes:
    """Turn Annex B into NAL units with 4-byte lengths, without parameter sets: they are in the configuration.

    Args:
        data: one access unit.
        codec: H264 or H265.
    """
    parts: list[bytes] = []
    for nal in split_annexb(data):
        if codec is Codec.H264:
            if h264.NAL_SPS <= nal[0] & 0x1F <= h264.NAL_AUD:
                continue
        elif h265.NAL_VPS <= nal[0] >> 1 <= h265.NAL_AUD:
            continue
        parts += (len(nal).to_bytes(4, "big"), nal)
    return b"".join(parts)


def nal_length_bytes(configuration: bytes, codec: Codec) -> int:
    """How long the lengths before NAL units are; 4 where the configuration does not say.

    Args:
        configuration: avcC, hvcC, or Annex B as some encoders send in their place.
        codec: H264 or H265.
    """
    at = _LENGTH_SIZE_AT[codec]
    if at >= len(configuration) or configuration.startswith(b"\x00\x00"):
        return 4
    return (configuration[at] & 3) + 1


def split_length_prefixed(data: bytes, length_bytes: int) -> list[bytes]:
    """Cut one access unit into NAL units, empty ones left out; the way back of `length_prefixed`.

    Args:
        data: NAL units behind their lengths (ISO/IEC 14496-15 section 4.3.3); zeros may follow.
        length_bytes: 1 to 4.

    Raises:
        WireError: a NAL unit ends after the data, or there are too many.
    """
    nals: list[bytes] = []
    at, end = 0, len(data) - length_bytes
    for _ in range(_MAX_NALS):
        if at > end:
            return nals
        size = int.from_bytes(data[at : at + length_bytes], "big")
        at += length_bytes
        if at + size > len(data):
            raise WireError(f"a NAL unit of {size} bytes where {len(data) - at} are left")
        if size:
            nals.append(data[at : at + size])
        at += size
    raise WireError(f"more than {_MAX_NALS} NAL units in an access unit")


def _avcc(nals: Sequence[bytes]) -> bytes:
    """AVCDecoderConfigurationRecord (5.3.3.1.2)."""
    sets = [nal for nal in nals if h264.nal_type(nal) == h264.NAL_SPS]
    pictures = [nal for nal in nals if h264.nal_type(nal) == h264.NAL_PPS]
    if not sets or not pictures:
        raise WireError("h264: no configuration without a sequence and a picture parameter set")
    if len(sets) > 31 or len(pictures) > 255:
        raise WireError(f"h264: {len(sets)} and {len(pictures)} parameter sets do not fit a configuration")
    first = h264.parse_sps(sets[0])
    record = b"\x01" + sets[0][1:4] + bytes((0xFF, 0xE0 | len(sets))) + _sized(sets)
    record += bytes((len(pictures),)) + _sized(pictures)
    if sets[0][1] in _AVCC_EXTENDED:
        depths = (first.bit_depth_luma - 8, first.bit_depth_chroma - 8)
        record += bytes((0xFC | first.chroma_format, 0xF8 | depths[0], 0xF8 | depths[1], 0))
    return record


def _hvcc(nals: Sequence[bytes]) -> bytes:
    """HEVCDecoderConfigurationRecord (8.3.3.1.2)."""
    kinds = [
        (kind, [nal for nal in nals if h265.nal_type(nal) == kind])
        for kind in (h265.NAL_VPS, h265.NAL_SPS, h265.NAL_PPS)
    ]
    if not all(found for _, found in kinds):
        raise WireError("h265: no configuration without video, sequence and picture parameter sets")
    raw = kinds[1][1][0]
    sps = h265.parse_sps(raw)
    plain = unescape(raw)
    temporal_layers, nested = (plain[2] >> 1 & 7) + 1, plain[2] & 1
    record = b"\x01" + plain[_PTL_AT : _PTL_AT + _PTL_BYTES]
    record += bytes(
        (
            0xF0,  # min_spatial_segmentation_idc: unknown
            0x00,
            0xFC,  # parallelismType: unknown
            0xFC | sps.chroma_format,
            0xF8 | sps.bit_depth_luma - 8,
            0xF8 | sps.bit_depth_chroma - 8,
            0x00,  # avgFrameRate: unknown
            0x00,
            temporal_layers << 3 | nested << 2 | 3,
            len(kinds),
        )
    )
    for kind, found in kinds:
        # 0x80: all of this kind are here and none come in the stream.
        record += bytes((0x80 | kind,)) + len(found).to_bytes(2, "big") + _sized(found)
    return record


def _sized(nals: Sequence[bytes]) -> bytes:
    return b"".join(part for nal in nals for part in (len(nal).to_bytes(2, "big"), nal))
