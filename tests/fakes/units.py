"""Access units as a publisher writes them: times in seconds, contents that do not matter to the hub."""

from __future__ import annotations

import time
from collections.abc import Iterator

from transport.media import AccessUnit, Codec, Track

H264 = Track(id=1, codec=Codec.H264, clock_rate=90_000, profile="42e01f", width=640, height=360)
H264_B_FRAMES = Track(
    id=1, codec=Codec.H264, clock_rate=90_000, profile="4d401f", width=640, height=360, has_b_frames=True
)
H265 = Track(id=1, codec=Codec.H265, clock_rate=90_000, width=640, height=360)
AAC = Track(id=2, codec=Codec.AAC, clock_rate=90_000, sample_rate=48_000, channels=2)
OPUS = Track(id=2, codec=Codec.OPUS, clock_rate=48_000, sample_rate=48_000, channels=2)


def picture(
    at_s: float,
    *,
    keyframe: bool = False,
    track: Track = H264,
    received_at: float | None = None,
    size: int = 100,
) -> AccessUnit:
    """One picture, dts and pts at a time; `received_at` is now unless said."""
    ticks = round(at_s * track.clock_rate)
    arrival = time.monotonic() if received_at is None else received_at
    return AccessUnit(track, ticks, ticks, bytes(size), keyframe, arrival)


def sound(at_s: float, *, track: Track = AAC, received_at: float | None = None, size: int = 20) -> AccessUnit:
    """One frame of sound."""
    return picture(at_s, keyframe=True, track=track, received_at=received_at, size=size)


def programme(
    pictures: int, *, fps: int = 25, gop: int = 25, received_at: float = 0.0
) -> Iterator[AccessUnit]:
    """Picture and sound, one of each per frame time, arriving as they are shown."""
    for number in range(pictures):
        at_s = number / fps
        yield picture(at_s, keyframe=number % gop == 0, received_at=received_at + at_s)
        yield sound(at_s, received_at=received_at + at_s)
