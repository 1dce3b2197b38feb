"""Coded pictures to test with, made by real encoders."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import av
import numpy as np


@cache
def coded_pictures(
    codec: str = "libx264",
    *,
    count: int = 12,
    width: int = 64,
    height: int = 48,
    **options: str,
) -> tuple[tuple[bytes, int, int, bool], ...]:
    """Encode moving noise; return (Annex B, pts, dts, keyframe) in 90 kHz, in coding order."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = Fraction(30)
    # MPEG-1 and MPEG-2 know no other times than those of pictures.
    encoder.time_base = Fraction(1, 90_000 if codec.startswith("lib") else 30)
    encoder.thread_count = 1
    if codec == "libx265":
        options.setdefault("x265-params", "log-level=none:keyint=6:pools=none")
    encoder.options = {"preset": "ultrafast", **options} if codec.startswith("lib") else options
    noise = np.random.default_rng(7).integers(0, 255, (height * 3 // 2, width), dtype=np.uint8)
    packets = []
    for index in range(count):
        frame = av.VideoFrame.from_ndarray(np.roll(noise, index, axis=1), format="yuv420p")
        frame.pts = 3000 * index
        frame.time_base = Fraction(1, 90_000)
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    ticks = int(90_000 * encoder.time_base)
    return tuple((bytes(p), (p.pts or 0) * ticks, (p.dts or 0) * ticks, p.is_keyframe) for p in packets)
