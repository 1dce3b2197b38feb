"""H.264 as far as a server needs it: NAL unit types, sequence parameter sets, which slice is intra.

Section numbers are of ITU-T H.264. `video.py` turns this into access units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from transport.errors import WireError
from transport.media.annexb import split_annexb, unescape
from transport.media.bits import BitReader

__all__ = [
    "NAL_AUD",
    "NAL_IDR",
    "NAL_PPS",
    "NAL_SEI",
    "NAL_SLICE",
    "NAL_SPS",
    "Sps",
    "first_slice",
    "has_recovery_point",
    "nal_type",
    "parse_pps_ids",
    "parse_sps",
    "split_annexb",
]

NAL_SLICE: Final = 1
NAL_IDR: Final = 5
NAL_SEI: Final = 6
NAL_SPS: Final = 7
NAL_PPS: Final = 8
NAL_AUD: Final = 9

_SEI_RECOVERY_POINT = 6
# Of types some two hundred are defined, and of messages a picture has a few; each takes time to pass over.
_MAX_SEI_TYPE = 1023
_MAX_SEI_MESSAGES = 256
_EXTENDED_SAR = 255
# Width and height of a pixel by aspect_ratio_idc (table E-1), from 1.
_PIXEL_ASPECTS = (
    *((1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11)),
    *((80, 33), (18, 11), (15, 11), (64, 33), (160, 99), (4, 3), (3, 2), (2, 1)),
)
# What is further from a square is taken for an error.
_MAX_PIXEL_ASPECT = 4.0
# Profiles whose SPS carries the chroma format (7.3.2.1.1).
_HIGH_PROFILES = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
# With constraint_set3 these are intra-only, so nothing can be reordered (E.2.1, max_num_reorder_frames).
_INTRA_PROFILES = frozenset({44, 86, 100, 110, 122, 244})
_BASELINE = 66
# A picture wider than 2**15 is beyond every level of the standard.
_MAX_SIDE = 1 << 15


@dataclass(frozen=True, slots=True)
class Sps:
    """What a sequence parameter set says.

    Attributes:
        profile: profile-level-id, six lower-case hexadecimal digits (RFC 6184 section 8.1).
        width: pixels after cropping.
        height: as width.
        max_reorder: pictures that may be shown after one that follows them in the stream; None when the
            stream does not say.
        frame_rate: pictures per second, 0.0 when the stream does not say.
        interlaced: fields may occur, so one frame may be two pictures.
        chroma_format: chroma_format_idc, 1 is 4:2:0.
        bit_depth_luma: 8 to 14.
        bit_depth_chroma: as luma.
        pixel_aspect: width of a pixel by its height; 1.0 when the stream does not say, or nonsense.
    """

    id: int
    profile: str
    width: int
    height: int
    max_reorder: int | None
    frame_rate: float
    interlaced: bool
    chroma_format: int = 1
    bit_depth_luma: int = 8
    bit_depth_chroma: int = 8
    pixel_aspect: float = 1.0


def nal_type(nal: bytes) -> int:
    """nal_unit_type (7.3.1)."""
    return nal[0] & 0x1F


def parse_sps(nal: bytes) -> Sps:
    """Parse a sequence parameter set NAL unit (7.3.2.1.1).

    Raises:
        WireError: truncated, or values outside the standard's ranges.
    """
    if len(nal) < 4:
        raise WireError(f"h264: sequence parameter set of {len(nal)} bytes")
    profile_idc, constraints = nal[1], nal[2]
    bits = BitReader(unescape(nal)[4:])
    sps_id = _at_most(bits.ue(), 31, "seq_parameter_set_id")
    chroma_format, luma, chroma = _parse_chroma(bits) if profile_idc in _HIGH_PROFILES else (1, 8, 8)
    bits.ue()  # log2_max_frame_num_minus4
    poc_type = _at_most(bits.ue(), 2, "pic_order_cnt_type")
    if poc_type == 0:
        bits.ue()
    elif poc_type == 1:
        bits.skip(1)
        bits.se()
        bits.se()
        for _ in range(_at_most(bits.ue(), 255, "num_ref_frames_in_pic_order_cnt_cycle")):
            bits.se()
    bits.ue()  # max_num_ref_frames
    bits.skip(1)
    width = 16 * (bits.ue() + 1)
    map_units = bits.ue() + 1
    frames_only = bits.flag()
    if not frames_only:
        bits.skip(1)
    height = 16 * map_units * (1 if frames_only else 2)
    bits.skip(1)
    if bits.flag():
        # 6-20: crop units follow the chroma subsampling, and the field structure vertically.
        step_x = 2 if chroma_format in (1, 2) else 1
        step_y = (2 if chroma_format == 1 else 1) * (1 if frames_only else 2)
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        width -= step_x * (left + right)
        height -= step_y * (top + bottom)
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        raise WireError(f"h264: picture of {width} by {height}")
    max_reorder: int | None = None
    frame_rate, pixel_aspect = 0.0, 1.0
    try:
        if bits.flag():
            pixel_aspect = _parse_pixel_aspect(bits)
            max_reorder, frame_rate = _parse_vui(bits)
    except WireError:
        # Some encoders cut the VUI short; what comes before is sound.
        max_reorder, frame_rate = None, 0.0
    if max_reorder is None and (
        poc_type == 2 or profile_idc == _BASELINE or (constraints & 0x10 and profile_idc in _INTRA_PROFILES)
    ):
        max_reorder = 0
    return Sps(
        sps_id,
        nal[1:4].hex(),
        width,
        height,
        max_reorder,
        frame_rate,
        not frames_only,
        chroma_format,
        luma,
        chroma,
        pixel_aspect,
    )


def parse_pps_ids(nal: bytes) -> tuple[int, int]:
    """Read a picture parameter set's own id and its sequence parameter set's (7.3.2.2).

    Raises:
        WireError: truncated, or an id out of range.
    """
    bits = BitReader(unescape(nal[1:24]))
    pps_id = _at_most(bits.ue(), 255, "pic_parameter_set_id")
    return pps_id, _at_most(bits.ue(), 31, "seq_parameter_set_id")


def first_slice(nal: bytes) -> tuple[int, int, int]:
    """Read first_mb_in_slice, slice_type modulo 5 (2 is I, 4 is SI) and pic_parameter_set_id (7.3.3).

    Raises:
        WireError: truncated, or a value out of range.
    """
    bits = BitReader(unescape(nal[1:24]))
    first_mb = bits.ue()
    slice_type = _at_most(bits.ue(), 9, "slice_type") % 5
    return first_mb, slice_type, _at_most(bits.ue(), 255, "pic_parameter_set_id")


def has_recovery_point(sei: bytes) -> bool:
    """Whether an SEI NAL unit carries a recovery point message (7.3.2.3, D.1.8)."""
    payload = unescape(sei)
    position = 1
    for _ in range(_MAX_SEI_MESSAGES):
        # The last byte is rbsp_trailing_bits.
        if position >= len(payload) - 1:
            return False
        fields = []
        for limit in (_MAX_SEI_TYPE, len(payload)):
            value = 0
            while position < len(payload) and payload[position] == 0xFF and value <= limit:
                value += 255
                position += 1
            if position >= len(payload) or value > limit:
                return False
            fields.append(value + payload[position])
            position += 1
        if fields[0] == _SEI_RECOVERY_POINT:
            return True
        position += fields[1]
    return False


def _at_most(value: int, limit: int, name: str) -> int:
    if value > limit:
        raise WireError(f"h264: {name} {value}, at most {limit} is allowed")
    return value


def _parse_chroma(bits: BitReader) -> tuple[int, int, int]:
    """Read the chroma format and both bit depths."""
    chroma_format = _at_most(bits.ue(), 3, "chroma_format_idc")
    if chroma_format == 3:
        bits.skip(1)
    luma = 8 + _at_most(bits.ue(), 6, "bit_depth_luma_minus8")
    chroma = 8 + _at_most(bits.ue(), 6, "bit_depth_chroma_minus8")
    bits.skip(1)
    if bits.flag():
        for index in range(12 if chroma_format == 3 else 8):
            if bits.flag():
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return chroma_format, luma, chroma


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following != 0:
            following = (last + bits.se()) % 256
        last = following or last


def _parse_pixel_aspect(bits: BitReader) -> float:
    """Read the beginning of the VUI, the shape of a pixel (E.1.1)."""
    if not bits.flag():
        return 1.0
    code = bits.u(8)
    width, height = 1, 1
    if code == _EXTENDED_SAR:
        width, height = bits.u(16), bits.u(16)
    elif 1 <= code <= len(_PIXEL_ASPECTS):
        width, height = _PIXEL_ASPECTS[code - 1]
    is_sound = height and 1 / _MAX_PIXEL_ASPECT <= width / height <= _MAX_PIXEL_ASPECT
    return width / height if is_sound else 1.0


def _parse_vui(bits: BitReader) -> tuple[int | None, float]:
    """Read max_num_reorder_frames and the frame rate (E.1.1), behind the shape of a pixel."""
    if bits.flag():
        bits.skip(1)  # overscan
    if bits.flag():
        bits.skip(4)  # video format and range
        if bits.flag():
            bits.skip(24)
    if bits.flag():
        bits.ue()  # chroma sample location
        bits.ue()
    frame_rate = 0.0
    if bits.flag():
        ticks, scale = bits.u(32), bits.u(32)
        bits.skip(1)
        # One tick is a field's time (E.2.1).
        frame_rate = scale / (2 * ticks) if ticks and scale else 0.0
    nal_hrd = bits.flag()
    if nal_hrd:
        _skip_hrd(bits)
    vcl_hrd = bits.flag()
    if vcl_hrd:
        _skip_hrd(bits)
    if nal_hrd or vcl_hrd:
        bits.skip(1)
    bits.skip(1)
    if not bits.flag():
        return None, frame_rate
    bits.skip(1)
    for _ in range(4):
        bits.ue()
    return _at_most(bits.ue(), 16, "max_num_reorder_frames"), frame_rate


def _skip_hrd(bits: BitReader) -> None:
    count = _at_most(bits.ue(), 31, "cpb_cnt_minus1") + 1
    bits.skip(8)
    for _ in range(count):
        bits.ue()
        bits.ue()
        bits.skip(1)
    bits.skip(20)
