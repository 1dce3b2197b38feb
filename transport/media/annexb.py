"""NAL units in a byte stream (H.264 and H.265 Annex B): finding them and putting them back."""

from __future__ import annotations

from collections.abc import Iterable

START_CODE = b"\x00\x00\x00\x01"


def split_annexb(data: bytes) -> list[bytes]:
    """Cut a byte stream into NAL units without start codes, of 3 or 4 bytes, and without trailing zeros.

    What comes before the first start code belongs to no NAL unit and is left out, as are empty NAL units.
    """
    nals = []
    find = data.find
    start = find(b"\x00\x00\x01") + 3
    if start < 3:
        return []
    while True:
        following = find(b"\x00\x00\x01", start)
        # A fourth start-code byte and trailing_zero_8bits look alike; a NAL unit never ends in a zero byte.
        nal = data[start:following].rstrip(b"\x00") if following >= 0 else data[start:].rstrip(b"\x00")
        if nal:
            nals.append(nal)
        if following < 0:
            return nals
        start = following + 3


def join_annexb(nals: Iterable[bytes]) -> bytes:
    """Put a 4-byte start code before every NAL unit."""
    return b"".join([part for nal in nals for part in (START_CODE, nal)])


def unescape(nal: bytes) -> bytes:
    """Remove emulation prevention bytes (H.264 section 7.4.1.1)."""
    return nal.replace(b"\x00\x00\x03", b"\x00\x00")
