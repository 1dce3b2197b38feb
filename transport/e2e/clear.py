"""Which bytes of a frame stay clear, so that packetizers and jitter buffers still know what they carry.

Opus: the first byte, which says how long the frame lasts. H.264 and H.265: parameter sets, then the first
slice's NAL unit header and two bytes more, which hold what receivers look at (first_mb_in_slice or
first_slice_segment_in_pic_flag, and the parameter set's id). All that follows, further slices included, is
one ciphertext inside that first NAL unit, escaped like any other (H.264 section 7.4.1, H.265 section 7.4.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from transport.errors import WireError
from transport.media import Codec

_OPUS_CLEAR_BYTES = 1
#: After the NAL unit header.
_SLICE_CLEAR_BYTES = 2
_H264_SLICES = frozenset(range(1, 6))
_H264_SEI = frozenset({6})
_H265_FIRST_NON_VCL = 32
_H265_SEI = frozenset({39, 40})
_SEI_RECOVERY_POINT = 6

_START = b"\0\0\1"
_EMULATION = re.compile(rb"\0\0(?=[\0-\3])")
_PREVENTED = b"\0\0\3"


@dataclass(frozen=True, slots=True)
class Split:
    """A frame in two.

    Attributes:
        clear: what stays readable.
        bound: the end of `clear` that is authenticated with the rest. Not all of it: browsers rewrite
            sequence parameter sets on arrival (libwebrtc adds bitstream restrictions), so those cannot be.
        rest: what is encrypted, or was.
    """

    clear: bytes
    bound: bytes
    rest: bytes


def split(codec: Codec, data: bytes) -> Split:
    """Divide a frame, sealed or not.

    Raises:
        WireError: nothing to divide: no slice in a picture, an empty packet of sound, or another codec.
    """
    if codec is Codec.OPUS:
        if not data:
            raise WireError("opus: an empty packet")
        clear = data[:_OPUS_CLEAR_BYTES]
        return Split(clear, clear, data[_OPUS_CLEAR_BYTES:])
    if codec is Codec.H264 or codec is Codec.H265:
        header_bytes = 1 if codec is Codec.H264 else 2
        at = _first_slice(codec, data)
        end = at + header_bytes + _SLICE_CLEAR_BYTES
        if len(data) < end or _START in data[at:end]:
            raise WireError(f"{codec}: a slice of less than {end - at} bytes")
        return Split(data[:end], data[at:end], data[end:])
    raise WireError(f"{codec} cannot be sealed")


def without_sei(codec: Codec, clear: bytes) -> bytes:
    """Take captions, timecodes and other messages out of what stays clear.

    They would be readable, and no browser shows them. Kept are recovery points, which tell a decoder that it
    may start here.
    """
    if codec is Codec.OPUS:
        return clear
    header_bytes, messages = (1, _H264_SEI) if codec is Codec.H264 else (2, _H265_SEI)
    parts = clear.split(_START)
    # What a part ends with besides is the first byte of the next start code, if that has four.
    kept = [
        nal
        for nal in parts[1:]
        if not nal
        or _type(codec, nal[0]) not in messages
        or _is_recovery_point(nal.rstrip(b"\0"), header_bytes)
    ]
    return _START.join((parts[0], *kept))


def escape(before: bytes, rest: bytes) -> bytes:
    """Make bytes that follow `before` fit for a NAL unit: no start code in them, nor across the seam."""
    if b"\0\0" not in rest and not before.endswith(b"\0"):
        return rest
    seam = before[-2:]
    return _EMULATION.sub(_PREVENTED, seam + rest)[len(seam) :]


def unescape(before: bytes, rest: bytes) -> bytes:
    """The reverse of `escape`."""
    seam = before[-2:]
    return (seam + rest).replace(_PREVENTED, b"\0\0")[len(seam) :]


def _first_slice(codec: Codec, data: bytes) -> int:
    at = data.find(_START) + 3
    while at >= 3 and at < len(data):
        kind = _type(codec, data[at])
        if kind in _H264_SLICES if codec is Codec.H264 else kind < _H265_FIRST_NON_VCL:
            return at
        at = data.find(_START, at) + 3
    raise WireError(f"{codec}: an access unit without a slice")


def _type(codec: Codec, first: int) -> int:
    return first & 0x1F if codec is Codec.H264 else first >> 1 & 0x3F


def _is_recovery_point(nal: bytes, at: int) -> bool:
    """One message, and it is this one: its type, its length, and after it the closing byte only."""
    return len(nal) > at + 1 and nal[at] == _SEI_RECOVERY_POINT and at + 2 + nal[at + 1] + 1 == len(nal)
