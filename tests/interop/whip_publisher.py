"""FFmpeg's own WHIP muxer, as PyAV brings it: publishes pictures and a tone until it is ended.

python -m tests.interop.whip_publisher URL KEY [CERTIFICATE PRIVATE_KEY]
"""

from __future__ import annotations

import sys
import time
from fractions import Fraction

import av
import numpy as np

_FPS, _RATE, _SAMPLES = 30, 48_000, 960


def publish(url: str, options: dict[str, str]) -> None:
    """Until the server or a signal ends it."""
    output = av.open(url, "w", format="whip", options=options)
    video = output.add_stream("libx264", rate=_FPS, options={"tune": "zerolatency", "profile": "baseline"})
    video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
    audio = output.add_stream("libopus", rate=_RATE)
    audio.layout = "stereo"
    began, heard = time.monotonic(), 0
    number = 0
    while True:
        shade = np.full((240, 320, 3), number * 5 % 255, np.uint8)
        frame = av.VideoFrame.from_ndarray(shade, format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, _FPS)
        output.mux(video.encode(frame))
        while heard * _FPS <= number * _RATE:
            wave = 0.3 * np.sin(2 * np.pi * 440 * (heard + np.arange(_SAMPLES)) / _RATE)
            tone = np.repeat(wave.astype(np.float32), 2).reshape(1, -1)
            sound = av.AudioFrame.from_ndarray(tone, format="flt", layout="stereo")
            sound.sample_rate, sound.pts, sound.time_base = _RATE, heard, Fraction(1, _RATE)
            output.mux(audio.encode(sound))
            heard += _SAMPLES
        number += 1
        time.sleep(max(0.0, began + number / _FPS - time.monotonic()))


if __name__ == "__main__":
    address, key, *pair = sys.argv[1:]
    publish(address, {"authorization": key, **dict(zip(("cert_file", "key_file"), pair, strict=False))})
