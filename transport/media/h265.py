"""H.265 as far as a server needs it: NAL unit types and sequence parameter sets.

Section numbers are of ITU-T H.265. `video.py` turns this into access units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from transport.errors import WireError
from transport.media.annexb import unescape
from transport.media.bits import BitReader

NAL_IRAP_FIRST: Final = 16
NAL_IRAP_LAST: Final = 23
NAL_VPS: Final = 32
NAL_SPS: Final = 33
NAL_PPS: Final = 34
NAL_AUD: Final = 35

_MAX_SIDE = 1 << 15


@dataclass(frozen=True, slots=True)
class Sps:
    """What a sequence parameter set says.

    Attributes:
        profile_idc: general_profile_idc: 1 is Main, 2 is Main 10.
        level_idc: general_level_idc, thirty times the level.
        width: pixels after cropping.
        height: as width.
        max_reorder: pictures that may precede another in the stream and follow it on the screen.
        chroma_format: chroma_format_idc, 1 is 4:2:0.
        bit_depth_luma: 8 to 16.
        bit_depth_chroma: as luma.
    """

    id: int
    profile_idc: int
    level_idc: int
    width: int
    height: int
    max_reorder: int
    chroma_format: int
    bit_depth_luma: int
    bit_depth_chroma: int


def nal_type(nal: bytes) -> int:
    """nal_unit_type (7.3.1.2)."""
    return nal[0] >> 1 & 0x3F


def layer_id(nal: bytes) -> int:
    """nuh_layer_id (7.3.1.2); 0 is the picture everybody can decode."""
    return (nal[0] & 1) << 5 | nal[1] >> 3


def parse_vps_id(nal: bytes) -> int:
    """Read a video parameter set's id (7.3.2.1).

    Raises:
        WireError: truncated.
    """
    return BitReader(nal[2:4]).u(4)


def parse_sps(nal: bytes) -> Sps:
    """Parse a sequence parameter set NAL unit (7.3.2.2.1).

    Raises:
        WireError: truncated, or values outside the standard's ranges.
    """
    bits = BitReader(unescape(nal[2:]))
    bits.skip(4)
    sub_layers = _at_most(bits.u(3), 6, "sps_max_sub_layers_minus1")
    bits.skip(1)
    profile_idc, level_idc = _parse_profile_tier_level(bits, sub_layers)
    sps_id = _at_most(bits.ue(), 15, "sps_seq_parameter_set_id")
    chroma_format = _at_most(bits.ue(), 3, "chroma_format_idc")
    if chroma_format == 3:
        bits.skip(1)
    width, height = bits.ue(), bits.ue()
    if bits.flag():
        step_x = 2 if chroma_format in (1, 2) else 1
        step_y = 2 if chroma_format == 1 else 1
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        width -= step_x * (left + right)
        height -= step_y * (top + bottom)
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        raise WireError(f"h265: picture of {width} by {height}")
    luma = 8 + _at_most(bits.ue(), 8, "bit_depth_luma_minus8")
    chroma = 8 + _at_most(bits.ue(), 8, "bit_depth_chroma_minus8")
    bits.ue()  # log2_max_pic_order_cnt_lsb_minus4
    each_layer = bits.flag()
    max_reorder = 0
    for _ in range(sub_layers + 1 if each_layer else 1):
        bits.ue()
        max_reorder = _at_most(bits.ue(), 15, "sps_max_num_reorder_pics")
        bits.ue()
    return Sps(sps_id, profile_idc, level_idc, width, height, max_reorder, chroma_format, luma, chroma)


def parse_pps_ids(nal: bytes) -> tuple[int, int]:
    """Read a picture parameter set's own id and its sequence parameter set's (7.3.2.3.1).

    Raises:
        WireError: truncated, or an id out of range.
    """
    bits = BitReader(unescape(nal[2:16]))
    pps_id = _at_most(bits.ue(), 63, "pps_pic_parameter_set_id")
    return pps_id, _at_most(bits.ue(), 15, "pps_seq_parameter_set_id")


def slice_pps_id(nal: bytes) -> int:
    """Read slice_pic_parameter_set_id of a slice segment (7.3.6.1).

    Raises:
        WireError: truncated, or out of range.
    """
    bits = BitReader(unescape(nal[2:16]))
    bits.skip(1)
    if NAL_IRAP_FIRST <= nal_type(nal) <= NAL_IRAP_LAST:
        bits.skip(1)
    return _at_most(bits.ue(), 63, "slice_pic_parameter_set_id")


def starts_picture(nal: bytes) -> bool:
    """Whether a slice segment is the first of its picture (7.3.6.1)."""
    return len(nal) > 2 and nal[2] & 0x80 != 0


def _at_most(value: int, limit: int, name: str) -> int:
    if value > limit:
        raise WireError(f"h265: {name} {value}, at most {limit} is allowed")
    return value


def _parse_profile_tier_level(bits: BitReader, sub_layers: int) -> tuple[int, int]:
    bits.skip(3)
    profile_idc = bits.u(5)
    bits.skip(32 + 48)
    level_idc = bits.u(8)
    present = [(bits.flag(), bits.flag()) for _ in range(sub_layers)]
    if sub_layers:
        bits.skip(2 * (8 - sub_layers))
    for profile, level in present:
        bits.skip((88 if profile else 0) + (8 if level else 0))
    return profile_idc, level_idc
