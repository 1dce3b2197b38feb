"""JPEG pictures, as far as a stream of them (MJPEG) needs it: how large they are (ITU-T T.81 annex B)."""

from __future__ import annotations

from transport.errors import WireError

_START, _SCAN = b"\xff\xd8", 0xDA
# Frame headers of every process; C4, C8 and CC mean something else (table B.1).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Markers that nothing follows.
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})


def parse_size(data: bytes) -> tuple[int, int]:
    """Read width and height, in pixels, from the frame header.

    Raises:
        WireError: no JPEG, or none with a frame header before its scan.
    """
    if not data.startswith(_START):
        raise WireError("jpeg: no picture begins here")
    at = len(_START)
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _ALONE:
            at += 2
            continue
        if marker == _SCAN:
            break
        if marker in _FRAMES:
            if at + 9 > len(data):
                break
            height, width = (int.from_bytes(data[at + n : at + n + 2], "big") for n in (5, 7))
            return width, height
        at += 2 + max(int.from_bytes(data[at + 2 : at + 4], "big"), 2)
    raise WireError("jpeg: no frame header before the scan")
