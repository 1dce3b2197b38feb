"""Opus packets: how long one lasts, how many channels it has, and two as one (RFC 6716 section 3).

More than two channels are several streams in one packet; a header tells which (RFC 7845 section 5.1).
"""

from __future__ import annotations

from typing import Final

from transport.errors import WireError
from transport.media.audioframe import UnsupportedAudio

CLOCK_RATE: Final = 48_000

# Samples of one frame at 48 kHz by TOC configuration: SILK, hybrid, CELT (RFC 6716 table 2).
_SILK = (480, 960, 1920, 2880)
_HYBRID = (480, 960)
_CELT = (120, 240, 480, 960)
_FRAME_SAMPLES = _SILK * 3 + _HYBRID * 2 + _CELT * 4
# RFC 6716 section 3.2.5 (R5): 120 ms.
_MAX_SAMPLES = 5760
# Of two packets as one: what a lost one takes with it should still be short.
_MAX_PAIR_SAMPLES = 1920
_MAX_FRAME_BYTES = 1275
# Of an identification header without a channel mapping table.
_HEADER_BYTES = 19

# Streams, those of them with two channels, and where each channel comes from, by channels (RFC 7845 5.1.1.2).
_SURROUND = {
    3: (2, 1, (0, 2, 1)),
    4: (2, 2, (0, 1, 2, 3)),
    5: (3, 2, (0, 4, 1, 2, 3)),
    6: (4, 2, (0, 4, 1, 2, 3, 5)),
    7: (4, 3, (0, 4, 1, 2, 3, 5, 6)),
    8: (5, 3, (0, 6, 1, 2, 3, 4, 5, 7)),
}


def packet_samples(packet: bytes) -> int:
    """Duration of a packet in samples of 48 kHz.

    Raises:
        WireError: empty, or longer than 120 ms.
    """
    if not packet:
        raise WireError("opus: empty packet")
    frame = _FRAME_SAMPLES[packet[0] >> 3]
    code = packet[0] & 3
    if code == 0:
        return frame
    if code < 3:
        return 2 * frame
    if len(packet) < 2:
        raise WireError("opus: packet without its frame count byte")
    count = packet[1] & 0x3F
    if not 0 < count * frame <= _MAX_SAMPLES:
        raise WireError(f"opus: {count} frames of {frame} samples in a packet")
    return count * frame


def packet_channels(packet: bytes) -> int:
    """Channels this packet is coded in; a decoder gives whatever it was asked for.

    Raises:
        WireError: empty.
    """
    if not packet:
        raise WireError("opus: empty packet")
    return 2 if packet[0] & 4 else 1


def surround_header(channels: int) -> bytes:
    """The identification header of 3 to 8 channels in the usual order (RFC 7845 section 5.1).

    Raises:
        WireError: another number of channels.
    """
    if channels not in _SURROUND:
        raise WireError(f"opus: surround of {channels} channels")
    streams, coupled, mapping = _SURROUND[channels]
    rate = CLOCK_RATE.to_bytes(4, "little")
    head = b"OpusHead" + bytes((1, channels)) + bytes(2) + rate + bytes(2)
    return head + bytes((1, streams, coupled, *mapping))


def header_channels(header: bytes) -> int:
    """Channels that an identification header announces (RFC 7845 section 5.1).

    Raises:
        WireError: not such a header.
        UnsupportedAudio: another version, or channels in another order than `surround_header` says.
    """
    if len(header) < _HEADER_BYTES or not header.startswith(b"OpusHead") or not header[9]:
        raise WireError(f"opus: an identification header of {len(header)} bytes")
    channels, family = header[9], header[18]
    if header[8] & 0xF0:
        raise UnsupportedAudio(f"Opus with a header of version {header[8]}")
    if channels <= 2 and family in (0, 1):
        return channels
    if channels not in _SURROUND or not header.startswith(surround_header(channels)[18:], 18):
        raise UnsupportedAudio(f"Opus with {channels} channels in an order of its own")
    return channels


def pair(first: bytes, second: bytes) -> bytes | None:
    """Two packets that follow each other as one, without coding anything again (RFC 6716 section 3.2).

    Returns:
        A packet of two frames. None if they are not of one configuration, hold more than a frame each, or
        would last longer than 40 ms.
    """
    if not first or not second or first[0] != second[0] or first[0] & 3:
        return None
    frames = first[1:], second[1:]
    if 2 * packet_samples(first) > _MAX_PAIR_SAMPLES or max(map(len, frames)) > _MAX_FRAME_BYTES:
        return None
    if len(first) == len(second):
        return bytes((first[0] | 1,)) + b"".join(frames)
    return bytes((first[0] | 2,)) + _frame_length(len(frames[0])) + b"".join(frames)


def _frame_length(size_bytes: int) -> bytes:
    """RFC 6716 section 3.2.1."""
    if size_bytes < 252:
        return bytes((size_bytes,))
    low = 252 + (size_bytes & 3)
    return bytes((low, (size_bytes - low) >> 2))
