"""The RTP packet: fixed header, one-byte header extensions, payload (RFC 3550 5.1, RFC 8285 4.2)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from transport.errors import WireError

_FIXED = struct.Struct("!BBHII")
_VERSION = 2
_ONE_BYTE_PROFILE = 0xBEDE
_MAX_ELEMENT_BYTES = 16

Extension = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet, decrypted.

    Attributes:
        seq: 16 bits.
        timestamp: 32 bits, ticks of the payload's clock.
        payload: without padding.
        marker: last packet of an access unit.
        extensions: (id, value) of the one-byte header extensions, in wire order; other forms are skipped.
        csrcs: contributing sources.
    """

    payload_type: int
    seq: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False
    extensions: tuple[Extension, ...] = ()
    csrcs: tuple[int, ...] = ()

    def extension(self, extension_id: int) -> bytes | None:
        """Value of the first header extension with this id, None without one."""
        return next((value for found, value in self.extensions if found == extension_id), None)


def parse(data: bytes) -> RtpPacket:
    """Read one packet.

    Raises:
        WireError: another version, or a length that goes beyond the end.
    """
    if len(data) < _FIXED.size:
        raise WireError(f"rtp: {len(data)} bytes, the header needs {_FIXED.size}")
    first, second, seq, timestamp, ssrc = _FIXED.unpack_from(data)
    if first >> 6 != _VERSION:
        raise WireError(f"rtp: version {first >> 6}")
    at = _FIXED.size
    csrcs: tuple[int, ...] = ()
    if csrc_count := first & 0x0F:
        if len(data) < at + 4 * csrc_count:
            raise WireError("rtp: the contributing sources go beyond the end")
        csrcs = struct.unpack_from(f"!{csrc_count}I", data, at)
        at += 4 * csrc_count
    extensions: tuple[Extension, ...] = ()
    if first & 0x10:
        extensions, at = _parse_extensions(data, at)
    end = len(data)
    if first & 0x20:
        padding = data[-1]
        if not 0 < padding <= end - at:
            raise WireError(f"rtp: {padding} bytes of padding in {end - at}")
        end -= padding
    return RtpPacket(
        payload_type=second & 0x7F,
        seq=seq,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=data[at:end],
        marker=bool(second & 0x80),
        extensions=extensions,
        csrcs=csrcs,
    )


def serialize(packet: RtpPacket) -> bytes:
    """Write one packet, without padding.

    Raises:
        ValueError: a field that does not fit.
    """
    if not (0 <= packet.payload_type < 128 and 0 <= packet.seq < 1 << 16 and len(packet.csrcs) < 16):
        raise ValueError("rtp: a field is out of range")
    header = serialize_header(
        packet.payload_type,
        packet.marker,
        packet.seq,
        packet.timestamp,
        packet.ssrc,
        serialize_extensions(packet.extensions),
    )
    if not packet.csrcs:
        return header + packet.payload
    csrcs = struct.pack(f"!{len(packet.csrcs)}I", *packet.csrcs)
    fixed = bytes([header[0] | len(packet.csrcs)]) + header[1 : _FIXED.size]
    return fixed + csrcs + header[_FIXED.size :] + packet.payload


def serialize_header(
    payload_type: int,
    marker: bool,
    seq: int,
    timestamp: int,
    ssrc: int,
    extensions: bytes = b"",
    *,
    padded: bool = False,
) -> bytes:
    """Write a header whose extensions are the same on every packet and were serialised once.

    Args:
        payload_type: 7 bits.
        marker: last packet of an access unit.
        seq: any integer, the low 16 bits count.
        timestamp: any integer, the low 32 bits count.
        ssrc: 32 bits.
        extensions: what `serialize_extensions` returned.
        padded: the payload to come ends in padding.
    """
    first = 0x80 | (0x20 if padded else 0) | (0x10 if extensions else 0)
    second = payload_type | (0x80 if marker else 0)
    return _FIXED.pack(first, second, seq & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + extensions


def serialize_extensions(extensions: Sequence[Extension]) -> bytes:
    """Write one-byte header extensions (RFC 8285 4.2), empty for none.

    Raises:
        ValueError: an id outside 1-14, or a value outside 1-16 bytes.
    """
    if not extensions:
        return b""
    body = bytearray()
    for extension_id, value in extensions:
        if not 1 <= extension_id <= 14:
            raise ValueError(f"header extension id {extension_id} is outside 1-14")
        if not 1 <= len(value) <= _MAX_ELEMENT_BYTES:
            raise ValueError(f"header extension {extension_id} has {len(value)} bytes, allowed are 1-16")
        body.append(extension_id << 4 | (len(value) - 1))
        body += value
    body += bytes(-len(body) % 4)
    return struct.pack("!HH", _ONE_BYTE_PROFILE, len(body) // 4) + bytes(body)


def _parse_extensions(data: bytes, at: int) -> tuple[tuple[Extension, ...], int]:
    if len(data) < at + 4:
        raise WireError("rtp: the header extension goes beyond the end")
    profile, words = struct.unpack_from("!HH", data, at)
    at += 4
    end = at + 4 * words
    if len(data) < end:
        raise WireError("rtp: the header extension goes beyond the end")
    if profile != _ONE_BYTE_PROFILE:
        return (), end
    found: list[Extension] = []
    while at < end:
        extension_id, size = data[at] >> 4, (data[at] & 0x0F) + 1
        at += 1
        if extension_id == 0:  # padding, whatever its length says
            continue
        if extension_id == 15:  # "processing MUST stop" (RFC 8285 4.2)
            break
        if at + size > end:
            raise WireError(f"rtp: header extension {extension_id} goes beyond the end")
        found.append((extension_id, data[at : at + size]))
        at += size
    return tuple(found), end
