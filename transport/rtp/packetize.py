"""From access units to RTP payloads: H.264 (RFC 6184), H.265 (RFC 7798), Opus (RFC 7587).

Fragments of one NAL unit are equal in length but the last: a run of equal datagrams is what the kernel's
UDP segmentation offload takes in one call. The way back is in `depacketize.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from transport.errors import WireError
from transport.media import AccessUnit, Codec
from transport.media.annexb import split_annexb

H264_STAP_A = 24
H264_FU_A = 28
H265_AP = 48
H265_FU = 49

_H264_DROPPED = frozenset({9, 12})  # access unit delimiter, filler
_H265_DROPPED = frozenset({35, 38})
_H264_FIRST_NON_VCL = 6
_H265_FIRST_NON_VCL = 32


def packetize(unit: AccessUnit, max_payload_bytes: int) -> list[bytes]:
    """Split one access unit into RTP payloads.

    Args:
        unit: H.264, H.265 or Opus.
        max_payload_bytes: without RTP header, extensions and SRTP tag.

    Returns:
        Payloads in sending order; the marker belongs on the last. Empty if nothing is left to send.

    Raises:
        WireError: an H.265 NAL unit shorter than its header, or an Opus packet that does not fit.
        ValueError: another codec.
    """
    if unit.track.codec is Codec.H264:
        return packetize_h264(unit.data, max_payload_bytes)
    if unit.track.codec is Codec.H265:
        return packetize_h265(unit.data, max_payload_bytes)
    if unit.track.codec is Codec.OPUS:
        return packetize_opus(unit.data, max_payload_bytes)
    raise ValueError(f"no RTP payload format for {unit.track.codec}")


def packetize_h264(annexb: bytes, max_payload_bytes: int) -> list[bytes]:
    """Split one H.264 access unit (RFC 6184, packetization-mode 1).

    Parameter sets and SEI travel together in a STAP-A, slices as single NAL units or in FU-A.
    """
    payloads: list[bytes] = []
    waiting: list[bytes] = []
    for nal in split_annexb(annexb):
        nal_type = nal[0] & 0x1F
        if nal_type in _H264_DROPPED:
            continue
        if nal_type >= _H264_FIRST_NON_VCL and len(nal) <= max_payload_bytes:
            waiting.append(nal)
            continue
        payloads += _aggregate(waiting, max_payload_bytes, _stap_a_header)
        waiting = []
        if len(nal) <= max_payload_bytes:
            payloads.append(nal)
        else:
            payloads += _fragment_h264(nal, max_payload_bytes)
    payloads += _aggregate(waiting, max_payload_bytes, _stap_a_header)
    return payloads


def packetize_h265(annexb: bytes, max_payload_bytes: int) -> list[bytes]:
    """Split one H.265 access unit (RFC 7798 section 4.4, without DONL fields).

    Raises:
        WireError: a NAL unit shorter than its header.
    """
    payloads: list[bytes] = []
    waiting: list[bytes] = []
    for nal in split_annexb(annexb):
        if len(nal) < 2:
            raise WireError(f"h265: a NAL unit of {len(nal)} bytes")
        nal_type = nal[0] >> 1 & 0x3F
        if nal_type in _H265_DROPPED:
            continue
        if nal_type >= _H265_FIRST_NON_VCL and len(nal) <= max_payload_bytes:
            waiting.append(nal)
            continue
        payloads += _aggregate(waiting, max_payload_bytes, _ap_header)
        waiting = []
        if len(nal) <= max_payload_bytes:
            payloads.append(nal)
        else:
            payloads += _fragment_h265(nal, max_payload_bytes)
    payloads += _aggregate(waiting, max_payload_bytes, _ap_header)
    return payloads


def packetize_opus(packet: bytes, max_payload_bytes: int) -> list[bytes]:
    """One Opus packet is one RTP payload (RFC 7587 section 4.2).

    Raises:
        WireError: longer than `max_payload_bytes`: Opus has no fragments.
    """
    if len(packet) > max_payload_bytes:
        raise WireError(f"opus: a packet of {len(packet)} bytes, {max_payload_bytes} fit")
    return [packet] if packet else []


def _aggregate(
    nals: list[bytes], max_payload_bytes: int, header: Callable[[list[bytes]], bytes]
) -> list[bytes]:
    """Pack small NAL units together, in order; one that stays alone goes as it is."""
    payloads: list[bytes] = []
    group: list[bytes] = []
    size = 2

    def flush() -> None:
        if len(group) == 1:
            payloads.append(group[0])
        elif group:
            payloads.append(header(group) + b"".join(len(nal).to_bytes(2, "big") + nal for nal in group))
        group.clear()

    for nal in nals:
        if group and size + 2 + len(nal) > max_payload_bytes:
            flush()
            size = 2
        group.append(nal)
        size += 2 + len(nal)
    flush()
    return payloads


def _stap_a_header(nals: list[bytes]) -> bytes:
    # "F is set if any F is; NRI MUST be the maximum" (RFC 6184 5.7).
    forbidden = max(nal[0] & 0x80 for nal in nals)
    importance = max(nal[0] & 0x60 for nal in nals)
    return bytes([forbidden | importance | H264_STAP_A])


def _ap_header(nals: list[bytes]) -> bytes:
    # F if any is set, the lowest LayerId and TID of all (RFC 7798 4.4.2).
    forbidden = max(nal[0] & 0x80 for nal in nals)
    layer = min((nal[0] & 1) << 5 | nal[1] >> 3 for nal in nals)
    temporal = min(nal[1] & 7 for nal in nals)
    return bytes([forbidden | H265_AP << 1 | layer >> 5, (layer & 0x1F) << 3 | temporal])


def _fragment_h264(nal: bytes, max_payload_bytes: int) -> list[bytes]:
    indicator = nal[0] & 0xE0 | H264_FU_A
    nal_type = nal[0] & 0x1F
    return [
        bytes([indicator, start << 7 | end << 6 | nal_type]) + part
        for start, end, part in _equal_parts(nal[1:], max_payload_bytes - 2)
    ]


def _fragment_h265(nal: bytes, max_payload_bytes: int) -> list[bytes]:
    first = nal[0] & 0x81 | H265_FU << 1
    nal_type = nal[0] >> 1 & 0x3F
    return [
        bytes([first, nal[1], start << 7 | end << 6 | nal_type]) + part
        for start, end, part in _equal_parts(nal[2:], max_payload_bytes - 3)
    ]


def _equal_parts(data: bytes, max_part_bytes: int) -> Iterator[tuple[bool, bool, bytes]]:
    """(is first, is last, part), as few parts as possible, all as long as the first but the last."""
    count = -(-len(data) // max_part_bytes)
    size = -(-len(data) // count)
    for at in range(0, len(data), size):
        yield at == 0, at + size >= len(data), data[at : at + size]
