"""What a sender reads of feedback about arrivals, by the draft's section 3.1: nothing of ours reads it."""

from __future__ import annotations

import struct

from transport.rtp.rtcp import TransportFeedback


def told(compound: bytes) -> list[TransportFeedback]:
    """All feedback about arrivals in a compound."""
    found = []
    while compound:
        first, packet_type, words = struct.unpack_from("!BBH", compound)
        packet, compound = compound[: 4 + 4 * words], compound[4 + 4 * words :]
        if (packet_type, first & 0x1F) == (205, 15):
            assert first == 0x8F
            found.append(_feedback(packet[4:]))
    return found


def _feedback(body: bytes) -> TransportFeedback:
    sender, media, base_seq, count, reference, number = struct.unpack_from("!IIHH3sB", body)
    symbols: list[int] = []
    offset = 16
    while len(symbols) < count:
        (chunk,) = struct.unpack_from("!H", body, offset)
        symbols += _symbols(chunk)
        offset += 2
    assert not any(symbols[count:]) or chunk < 0x8000
    at = int.from_bytes(reference, "big", signed=True) * 256
    arrivals: list[int | None] = []
    for symbol in symbols[:count]:
        assert symbol < 3
        at += int.from_bytes(body[offset : offset + symbol], "big", signed=symbol == 2)
        offset += symbol
        arrivals.append(at if symbol else None)
    assert len(body) - offset < 4 and not any(body[offset:])
    return TransportFeedback(sender, media, base_seq, number, tuple(arrivals))


def _symbols(chunk: int) -> list[int]:
    bits = f"{chunk:016b}"
    if bits[0] == "0":
        return [int(bits[1:3], 2)] * int(bits[3:], 2)
    size = 1 if bits[1] == "0" else 2
    return [int(bits[at : at + size], 2) for at in range(2, 16, size)]
