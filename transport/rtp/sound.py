"""RTP payloads of sound, but for Opus.

AAC (RFC 3640), MPEG audio (RFC 2250), AC-3 and E-AC-3 (RFC 4184, RFC 4598), and samples that are coded one by
one (RFC 3551).
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

from transport.errors import WireError
from transport.media import AccessUnit, Codec, ac3

#: RFC 3640 section 3.3.6, mode AAC-hbr: 13 bits for a frame's size, 3 for its number.
AAC_SIZE_BITS, AAC_INDEX_BITS = 13, 3
_AAC_HEADER_BYTES = 4
_MAX_AAC_BYTES = (1 << AAC_SIZE_BITS) - 1
_MPA_HEADER_BYTES = 4
_AC3_HEADER_BYTES = 2
#: RFC 4184 section 4.1.1: with the first 5/8 of a frame a decoder can tell whether it is whole.
_AC3_BEGINNING = Fraction(5, 8)
_COMPLETE, _BEGINS_WELL, _BEGINS, _GOES_ON = range(4)


def packetize_sound(unit: AccessUnit, max_payload_bytes: int) -> list[bytes]:
    """Split one unit of sound into RTP payloads, all of one timestamp.

    Args:
        unit: of samples without frames no more than fits: see `split_samples`.
        max_payload_bytes: without RTP header.

    Raises:
        WireError: what the payload format cannot say.
        ValueError: another codec.
    """
    match unit.track.codec:
        case Codec.AAC:
            return _packetize_aac(unit.data, max_payload_bytes)
        case Codec.MP2 | Codec.MP3:
            return _packetize_mpeg_audio(unit.data, max_payload_bytes)
        case Codec.AC3:
            return _packetize_ac3(unit.data, max_payload_bytes)
        case Codec.EAC3:
            return _packetize_eac3(unit.data, max_payload_bytes)
        case codec if codec.is_sampled:
            return [unit.data] if unit.data else []
    raise ValueError(f"no RTP payload format for {unit.track.codec}")


def split_samples(unit: AccessUnit, max_payload_bytes: int) -> list[AccessUnit]:
    """Cut a unit of samples without frames into as many as are needed, each with its own time.

    Samples of all channels stay together, and so do those that share bytes.
    """
    track = unit.track
    bits = track.sample_bits * track.channels
    if len(unit.data) <= max_payload_bytes or not bits or not track.sample_rate:
        return [unit]
    # The fewest samples that fill whole bytes.
    step_bytes = math.lcm(bits, 8) // 8
    size = max_payload_bytes // step_bytes * step_bytes
    pieces = []
    for at in range(0, len(unit.data), size):
        ticks = at * 8 // bits * track.clock_rate // track.sample_rate
        part = unit.data[at : at + size]
        pieces.append(replace(unit, pts=unit.pts + ticks, dts=unit.dts + ticks, data=part))
    return pieces


def _packetize_aac(frame: bytes, max_payload_bytes: int) -> list[bytes]:
    """One frame, or its fragments, each behind a section of one header (RFC 3640 section 3.2.1)."""
    if len(frame) > _MAX_AAC_BYTES:
        raise WireError(f"aac: a frame of {len(frame)} bytes, RTP carries {_MAX_AAC_BYTES}")
    header = (16).to_bytes(2, "big") + (len(frame) << AAC_INDEX_BITS).to_bytes(2, "big")
    return [header + part for part in _parts(frame, max_payload_bytes - _AAC_HEADER_BYTES)]


def _packetize_mpeg_audio(frame: bytes, max_payload_bytes: int) -> list[bytes]:
    """One frame, or its fragments, each behind where it begins in the frame (RFC 2250 section 3.5)."""
    size = max_payload_bytes - _MPA_HEADER_BYTES
    return [
        (number * size).to_bytes(_MPA_HEADER_BYTES, "big") + part
        for number, part in enumerate(_parts(frame, size))
    ]


def _packetize_ac3(frame: bytes, max_payload_bytes: int) -> list[bytes]:
    """One frame, or its fragments (RFC 4184 section 4.1)."""
    parts = _parts(frame, max_payload_bytes - _AC3_HEADER_BYTES)
    if len(parts) == 1:
        return [bytes((_COMPLETE, 1)) + frame]
    begins = _BEGINS_WELL if len(parts[0]) >= _AC3_BEGINNING * len(frame) else _BEGINS
    return [
        bytes((begins if number == 0 else _GOES_ON, len(parts))) + part for number, part in enumerate(parts)
    ]


def _packetize_eac3(frames: bytes, max_payload_bytes: int) -> list[bytes]:
    """A frame with those that continue it: as many as fit together, or fragments (RFC 4598 section 4.1)."""
    size = max_payload_bytes - _AC3_HEADER_BYTES
    count, at = 0, 0
    while at + ac3.HEADER_BYTES <= len(frames):
        at += ac3.parse_header(frames, at).frame_bytes
        count += 1
    if len(frames) <= size:
        return [bytes((0, count)) + frames] if frames else []
    payloads = []
    at = 0
    while at < len(frames):
        end = at + ac3.parse_header(frames, at).frame_bytes
        parts = _parts(frames[at:end], size)
        is_fragment = len(parts) > 1
        payloads += [bytes((is_fragment, len(parts))) + part for part in parts]
        at = end
    return payloads


def _parts(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]
