"""Opus packets: how long one lasts and how many channels it has (RFC 6716 section 3.1)."""

from __future__ import annotations

from typing import Final

from transport.errors import WireError

CLOCK_RATE: Final = 48_000

# Samples of one frame at 48 kHz by TOC configuration: SILK, hybrid, CELT (RFC 6716 table 2).
_SILK = (480, 960, 1920, 2880)
_HYBRID = (480, 960)
_CELT = (120, 240, 480, 960)
_FRAME_SAMPLES = _SILK * 3 + _HYBRID * 2 + _CELT * 4
# RFC 6716 section 3.2.5 (R5): 120 ms.
_MAX_SAMPLES = 5760


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
