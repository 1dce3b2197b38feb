"""Made-up media: access units that look like a camera's, with contents that a test can recognise."""

from __future__ import annotations

import random

from transport.media import AccessUnit, Codec, Track

VIDEO = Track(id=1, codec=Codec.H264, clock_rate=90_000, width=1280, height=720)
VIDEO_H265 = Track(id=1, codec=Codec.H265, clock_rate=90_000, width=1280, height=720)
AUDIO = Track(id=2, codec=Codec.OPUS, clock_rate=48_000, sample_rate=48_000, channels=2)

_START = b"\0\0\0\1"


def noise(size: int, seed: int) -> bytes:
    """Bytes without zeros, so that no start code is among them."""
    return random.Random(seed).randbytes(size).replace(b"\0", b"\1")


def h264_unit(pts: int, *, keyframe: bool, size: int = 3000, track: Track = VIDEO) -> AccessUnit:
    """One picture in one slice, with parameter sets on a keyframe."""
    body = noise(size, pts)
    if keyframe:
        data = _START + b"\x67\x42\xe0\x1f" + _START + b"\x68\xce\x3c\x80" + _START + b"\x65" + body
    else:
        data = _START + b"\x41" + body
    return AccessUnit(track=track, pts=pts, dts=pts, data=data, keyframe=keyframe, received_at=0.0)


def opus_unit(pts: int, *, size: int = 80, track: Track = AUDIO) -> AccessUnit:
    """20 ms of made-up sound."""
    return AccessUnit(track=track, pts=pts, dts=pts, data=noise(size, pts), keyframe=True, received_at=0.0)


def gop(first_pts: int, pictures: int, *, interval: int = 3000, size: int = 3000) -> list[AccessUnit]:
    """A keyframe and the pictures that follow it."""
    return [
        h264_unit(first_pts + n * interval, keyframe=n == 0, size=size * (4 if n == 0 else 1))
        for n in range(pictures)
    ]


def audio_units(first_pts: int, count: int) -> list[AccessUnit]:
    """Sound in steps of 20 ms."""
    return [opus_unit(first_pts + n * 960) for n in range(count)]
