"""Pictures of noise behind an encoder's own parameter sets, for whoever looks at nothing but their size."""

from __future__ import annotations

import random

from transport.media import AccessUnit, Codec, Track

#: Pictures a second, and from one keyframe to the next.
RATE, GOP = 30, 60
_KEYFRAME_WEIGHT = 6

# Of 1280 by 720.
_SPS = bytes.fromhex("6742c01fd9005005bb016a02020280000003008000001e478c1924")
_PPS = bytes.fromhex("68cb83cb20")
VIDEO = Track(1, Codec.H264, 90_000, (_SPS, _PPS), "42c01f", 1280, 720)


def noise(mbps: float) -> list[AccessUnit]:
    """One group of pictures, all at pts 0; B-frames are not among them."""
    rng = random.Random(1)
    ordinary = int(mbps * 1e6 / 8 * GOP / RATE / (GOP - 1 + _KEYFRAME_WEIGHT))
    units = []
    for number in range(GOP):
        size = ordinary * (_KEYFRAME_WEIGHT if number == 0 else 1)
        body = rng.randbytes(size).replace(b"\0", b"\1")
        head = b"\0\0\0\1" + _SPS + b"\0\0\0\1" + _PPS + b"\0\0\0\1\x65" if number == 0 else b"\0\0\0\1\x41"
        units.append(AccessUnit(VIDEO, 0, 0, head + body, number == 0, 0.0))
    return units
